#pragma once

#include <functional>
#include <memory>

#include "broker/io/network.h"
#include "broker/io/posix/epoll_event_loop.h"

namespace millrace::io::posix {

// A Stream over a non-blocking socket that its loop watches edge-triggered from the start: what is ready is remembered
// here, and waiting for it costs no system call.
class EpollStream final : public Stream, private Watched {
 public:
  // Takes over the descriptor, also on an error. Loop thread.
  static Result<std::unique_ptr<EpollStream>> adopt(EpollEventLoop& loop, int fd, Endpoint peer);
  ~EpollStream() override;

  Result<size_t> read_some(std::span<std::byte> into) override;
  Result<size_t> write_some(OutputChain& chain) override;
  void when_readable(std::function<void()> callback) override;
  void when_writable(std::function<void()> callback) override;
  void close() override;
  // A socket that still connects is not writable before the kernel says so.
  void expect_writable_edge() { writable_ = false; }
  const Endpoint& peer() const override { return peer_; }
  const Endpoint& local() const override { return local_; }

 private:
  EpollStream(EpollEventLoop& loop, int fd, Endpoint peer);
  void on_events(uint32_t epoll_events) override;
  void call_soon();
  Result<size_t> write_memory(OutputChain& chain);
  Result<size_t> write_file(const SourceRange& range);
  Result<size_t> write_copied(const SourceRange& range);
  Error failure(const char* action);

  EpollEventLoop& loop_;
  int fd_;
  bool readable_ = true;  // may be: no read has said otherwise since the last edge
  bool writable_ = true;
  bool ended_ = false;  // an edge reported the peer's end or an error: reading stays possible until it is met
  std::function<void()> on_readable_;
  std::function<void()> on_writable_;
  // Callbacks that were due at once are posted; dead once the stream is.
  std::shared_ptr<EpollStream*> self_;
  const Endpoint peer_;
  const Endpoint local_;
};

// Non-blocking, close-on-exec, without Nagle's delay.
int make_socket(int family);
void set_no_delay(int fd);
void set_keep_alive(int fd);

}  // namespace millrace::io::posix
