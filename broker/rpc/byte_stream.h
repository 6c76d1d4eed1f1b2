#pragma once

#include <cstddef>
#include <memory>

#include "broker/base/result.h"
#include "broker/io/event_loop.h"
#include "broker/rpc/frame.h"
#include "broker/rpc/wire/handshake.h"

namespace millrace::rpc {

// Told of what happens to one stream, on its loop and never from within a call of the stream. May destroy the stream.
class ByteStreamEvents {
 public:
  virtual ~ByteStreamEvents() = default;
  virtual void on_frame(Bytes frame) = 0;
  // The last event. Not told after close().
  virtual void on_closed(const Error& why) = 0;
};

// One end of a bidirectional gRPC stream whose messages are opaque here. Ordered; a message arrives once or the stream
// breaks. One frame is read and handled after another; the peer's window closes meanwhile. All calls on the stream's
// loop; destruction closes.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  virtual void send(Frame frame) = 0;       // never waits; dropped once the stream is closed
  virtual size_t unsent_bytes() const = 0;  // taken and not yet accepted by the transport
  virtual void close() = 0;
};

// Takes the streams that peers open to one method.
class ByteStreamAcceptor {
 public:
  virtual ~ByteStreamAcceptor() = default;
  // A QueueEventLoop of the server. Any thread; asked before the stream is there.
  virtual io::EventLoop& loop_for_stream() = 0;
  // On that loop, before the stream's first event; the events outlive the stream. Null: the stream is refused.
  virtual ByteStreamEvents* accept(std::unique_ptr<ByteStream> stream, const Identity& caller) = 0;
};

}  // namespace millrace::rpc
