#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "broker/base/output_chain.h"
#include "broker/base/result.h"
#include "broker/io/event_loop.h"

namespace millrace::io {

struct Endpoint {
  std::string host;
  uint16_t port = 0;
  std::string to_string() const { return host + ":" + std::to_string(port); }
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// One connected TCP stream (TCP_NODELAY), owned by one EventLoop: every call is made on its thread. Non-blocking with
// readiness: try the operation, and on would_block ask for the callback. Closed by the destructor, which drops pending
// callbacks.
class Stream {
 public:
  virtual ~Stream() = default;
  // Bytes read (> 0); would_block; connection_closed at the peer's orderly end; io otherwise.
  virtual Result<size_t> read_some(std::span<std::byte> into) = 0;
  // Sends from the front of `chain` (writev for memory, sendfile for file ranges), removes what was sent, and returns
  // how many bytes; would_block when none could be sent. An empty chain is a bug.
  virtual Result<size_t> write_some(OutputChain& chain) = 0;
  // Calls back once when the operation may succeed or fail for good. At most one of each kind pending.
  virtual void when_readable(std::function<void()> callback) = 0;
  virtual void when_writable(std::function<void()> callback) = 0;
  virtual void close() = 0;
  virtual const Endpoint& peer() const = 0;
  virtual const Endpoint& local() const = 0;
};

// Accepts connections until destroyed.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual const Endpoint& local() const = 0;  // with the port that was chosen for port 0
};

// The only door to the network. Errors of listen: in_use (port taken), permission_denied, invalid_argument (no such
// local address).
class Network {
 public:
  virtual ~Network() = default;
  // `choose_loop` is called on the accepting thread for each connection and names the loop that will own it; `accepted`
  // then runs on that loop. Connections that cannot be taken for want of file descriptors stay in the kernel's queue
  // and are tried again after a pause.
  virtual Result<std::unique_ptr<Listener>> listen(EventLoop& accept_loop, const Endpoint& at,
                                                   std::function<EventLoop&()> choose_loop,
                                                   std::function<void(std::unique_ptr<Stream>)> accepted) = 0;
  // Calls back on `loop` with a connected stream or the error (connection_refused, timed_out, not_found for an unknown
  // host).
  virtual void connect(EventLoop& loop, const Endpoint& to, Duration timeout,
                       std::function<void(Result<std::unique_ptr<Stream>>)> connected) = 0;
};

}  // namespace millrace::io
