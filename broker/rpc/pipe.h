#pragma once

#include <deque>
#include <memory>
#include <optional>

#include <grpcpp/support/byte_buffer.h>

#include "broker/rpc/byte_stream.h"
#include "broker/rpc/queue_event_loop.h"

namespace millrace::rpc {

// What both kinds of gRPC streams have in common. Everything is on the loop's thread, whose queue the operations of the
// call are on; at most one read and one write are under way. Kept alive by the user's handle, and by itself from open()
// until the last operation has ended; only then the user is told the end.
class Pipe : public QueueGuest, public std::enable_shared_from_this<Pipe> {
 public:
  explicit Pipe(QueueEventLoop& loop) : loop_(loop) {}
  virtual ~Pipe() = default;
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  // The user's side. close() may come after the loop has stopped.
  void use(ByteStreamEvents& events) { events_ = &events; }
  void send(Frame frame);
  void close();
  size_t unsent_bytes() const { return unsent_; }

 protected:
  // The gRPC operations.
  virtual void start_read(grpc::ByteBuffer* into, void* tag) = 0;
  virtual void start_write(const grpc::ByteBuffer& from, void* tag) = 0;
  virtual void cancel() = 0;
  virtual Status may_take_frame() = 0;  // from this peer; an error ends the stream
  virtual void peer_ended() = 0;        // there is nothing more to read: the call ends, or has to be made to

  virtual void is_over() {}  // the user may be gone

  QueueEventLoop& loop() { return loop_; }
  void open();                    // before the first operation
  void begin() { ++under_way_; }  // with each operation
  void ended();                   // the last thing that its end does
  void end(Error why);            // nothing is started any more; told unless an earlier end had a reason
  bool is_ending() const { return ending_.has_value(); }
  void read_next();
  void allow_writes();
  void over();  // nothing is under way: tells the user, and lets go of itself
  // What is told when nobody had a reason but that the connection is closed.
  void set_outcome(Error outcome) { outcome_ = std::move(outcome); }

 private:
  void abandon() final;
  void write_next();
  void read_done(bool ok);
  void write_done(bool ok);

  QueueEventLoop& loop_;
  ByteStreamEvents* events_ = nullptr;  // null before use() and after the last event
  std::shared_ptr<Pipe> self_;
  int under_way_ = 0;
  std::optional<Error> ending_;
  Error outcome_{Errc::connection_closed, {}};

  grpc::ByteBuffer incoming_;  // of the one read, of the one write
  grpc::ByteBuffer outgoing_;
  std::deque<Frame> queue_;  // bounded by its user, who looks at unsent_bytes()
  size_t unsent_ = 0;
  size_t writing_bytes_ = 0;
  bool writing_ = true;  // or may not yet
  MemberTag<Pipe> read_done_{*this, &Pipe::read_done};
  MemberTag<Pipe> write_done_{*this, &Pipe::write_done};
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
