#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include <grpcpp/support/byte_buffer.h>

#include "broker/base/mutex.h"
#include "broker/rpc/byte_stream.h"

namespace millrace::rpc {

// What both kinds of gRPC stream reactors have in common: the meeting of gRPC's threads, on which operations end, and
// the loop on which the stream's user lives. Operations are started on either; an operation that is started when the
// call has ended would be one on freed memory, so that the end (release()) waits until no start is under way, and no
// start begins after it. Kept alive by the user's handle, by posted events, and by itself from open() to done().
class Pipe : public std::enable_shared_from_this<Pipe> {
 public:
  explicit Pipe(io::EventLoop& loop) : loop_(loop) {}
  virtual ~Pipe() = default;
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  io::EventLoop& loop() { return loop_; }

  // Loop thread. The loop is needed until close(): what ends after that on gRPC's threads does not touch it.
  void use(ByteStreamEvents& events) { events_ = &events; }  // before it close() does nothing
  void send(Frame frame) EXCLUDES(mutex_);
  void close() EXCLUDES(mutex_);
  size_t unsent_bytes() const { return unsent_.load(std::memory_order_relaxed); }

  // Any thread: begins to read; the operations that follow keep themselves going.
  void read_next() EXCLUDES(mutex_);
  // Any thread: no operation is started any more. `why` is told unless an earlier end had a reason.
  void end(Error why) EXCLUDES(mutex_);

 protected:
  // The gRPC operations, called without a lock.
  virtual void start_read(grpc::ByteBuffer* into) = 0;
  virtual void start_write(const grpc::ByteBuffer* from) = 0;
  virtual void cancel() = 0;
  virtual void release(const Error& why) = 0;  // once: after it no start comes, and done() may

  void open() { self_ = shared_from_this(); }  // before the first operation
  // The ends of operations, on gRPC's threads.
  void read_done(bool ok) EXCLUDES(mutex_);
  void write_done(bool ok) EXCLUDES(mutex_);
  // The call is over: tells the user, and lets go of itself. `fallback` is told if nobody had a reason.
  void done(Error fallback) EXCLUDES(mutex_);

 private:
  bool begin_start() EXCLUDES(mutex_);
  void end_start() EXCLUDES(mutex_);
  void write_next() EXCLUDES(mutex_);
  void post(std::function<void()> task) EXCLUDES(mutex_);  // unless it is closed
  void handled(size_t bytes) EXCLUDES(mutex_);

  io::EventLoop& loop_;
  ByteStreamEvents* events_ = nullptr;  // the loop's; null before use() and after the last event
  std::shared_ptr<Pipe> self_;
  std::atomic<size_t> unsent_{0};
  grpc::ByteBuffer incoming_;  // of the one read, of the one write
  grpc::ByteBuffer outgoing_;

  Mutex mutex_;                                 // innermost
  std::deque<Frame> queue_ GUARDED_BY(mutex_);  // bounded by its user, who looks at unsent_bytes()
  bool writing_ GUARDED_BY(mutex_) = false;
  size_t writing_bytes_ GUARDED_BY(mutex_) = 0;
  size_t unhandled_ GUARDED_BY(mutex_) = 0;
  bool read_waits_ GUARDED_BY(mutex_) = false;
  int starting_ GUARDED_BY(mutex_) = 0;
  std::optional<Error> ending_ GUARDED_BY(mutex_);
  bool released_ GUARDED_BY(mutex_) = false;
  bool closed_ GUARDED_BY(mutex_) = false;  // by the user: the loop may be gone
};

// The user's end of a pipe.
class PipeStream final : public ByteStream {
 public:
  explicit PipeStream(std::shared_ptr<Pipe> pipe) : pipe_(std::move(pipe)) {}
  ~PipeStream() override { close(); }
  void send(Frame frame) override { pipe_->send(std::move(frame)); }
  size_t unsent_bytes() const override { return pipe_->unsent_bytes(); }
  void close() override { pipe_->close(); }

 private:
  std::shared_ptr<Pipe> pipe_;
};

}  // namespace millrace::rpc
