#include "broker/rpc/pipe.h"

#include <utility>
#include <vector>

namespace millrace::rpc {
namespace {

// Below this a copy costs less than a reference that gRPC counts.
constexpr size_t kCopiedBytesMax = 512;

grpc::Slice to_slice(Bytes bytes) {
  if (bytes.size() <= kCopiedBytesMax) return grpc::Slice(bytes.data(), bytes.size());
  auto* held = new Bytes(std::move(bytes));
  return grpc::Slice(
      held->mutable_data(), held->size(), [](void* user) { delete static_cast<Bytes*>(user); }, held);
}

grpc::ByteBuffer to_buffer(Frame frame) {
  std::vector<grpc::Slice> slices;
  slices.reserve(1 + frame.tail.size());
  slices.emplace_back(frame.head);
  for (Bytes& piece : frame.tail) slices.push_back(to_slice(std::move(piece)));
  return grpc::ByteBuffer(slices.data(), slices.size());
}

Bytes to_bytes(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return {};
  size_t size = 0;
  for (const grpc::Slice& slice : slices) size += slice.size();
  Bytes bytes = Bytes::uninitialized(size);
  std::byte* at = bytes.mutable_data();
  for (const grpc::Slice& slice : slices) {
    std::memcpy(at, slice.begin(), slice.size());
    at += slice.size();
  }
  return bytes;
}

}  // namespace

bool Pipe::begin_start() {
  MutexLock lock(mutex_);
  if (ending_) return false;
  ++starting_;
  return true;
}

void Pipe::end_start() {
  std::optional<Error> why;
  {
    MutexLock lock(mutex_);
    if (--starting_ == 0 && ending_ && !std::exchange(released_, true)) why = ending_;
  }
  if (why) release(*why);
}

void Pipe::end(Error why) {
  const auto alive = shared_from_this();
  {
    MutexLock lock(mutex_);
    if (ending_) return;
    ending_ = std::move(why);
    queue_.clear();
    if (starting_ > 0) return;
    released_ = true;
    why = *ending_;
  }
  release(why);
}

void Pipe::send(Frame frame) {
  {
    MutexLock lock(mutex_);
    if (ending_) return;
    unsent_.fetch_add(frame.size(), std::memory_order_relaxed);
    queue_.push_back(std::move(frame));
  }
  write_next();
}

void Pipe::write_next() {
  Frame frame;
  {
    MutexLock lock(mutex_);
    if (writing_ || ending_ || queue_.empty()) return;
    writing_ = true;
    ++starting_;
    frame = std::move(queue_.front());
    queue_.pop_front();
    writing_bytes_ = frame.size();
  }
  outgoing_ = to_buffer(std::move(frame));
  start_write(&outgoing_);
  end_start();
}

void Pipe::write_done(bool ok) {
  outgoing_.Clear();
  {
    MutexLock lock(mutex_);
    writing_ = false;
    unsent_.fetch_sub(writing_bytes_, std::memory_order_relaxed);
  }
  if (ok) write_next();  // otherwise the read that is always under way ends too, with the reason
}

void Pipe::read_next() {
  if (!begin_start()) return;
  start_read(&incoming_);
  end_start();
}

void Pipe::read_done(bool ok) {
  if (!ok) {
    end(Error{Errc::connection_closed, {}});
    return;
  }
  Bytes frame = to_bytes(incoming_);
  incoming_.Clear();
  const size_t size = frame.size();
  bool go_on = true;
  {
    MutexLock lock(mutex_);
    unhandled_ += size;
    if (unhandled_ > kUnhandledBytesMax) {
      go_on = false;
      read_waits_ = true;
    }
  }
  post([pipe = shared_from_this(), frame = std::move(frame), size]() mutable {
    if (pipe->events_ != nullptr) pipe->events_->on_frame(std::move(frame));
    pipe->handled(size);
  });
  if (go_on) read_next();
}

void Pipe::handled(size_t bytes) {
  {
    MutexLock lock(mutex_);
    unhandled_ -= bytes;
    if (unhandled_ > kUnhandledBytesMax / 2 || !std::exchange(read_waits_, false)) return;
  }
  read_next();
}

// The task holds the pipe, which must not go with the mutex held where a loop that has stopped drops it.
void Pipe::post(std::function<void()> task) {
  const auto alive = shared_from_this();
  MutexLock lock(mutex_);
  if (!closed_) loop_.post(std::move(task));
}

void Pipe::close() {
  if (std::exchange(events_, nullptr) == nullptr) return;
  {
    MutexLock lock(mutex_);
    closed_ = true;
  }
  if (begin_start()) {
    cancel();
    end_start();
  }
  end(Error{Errc::connection_closed, {}});
}

void Pipe::done(Error fallback) {
  std::shared_ptr<Pipe> self = std::move(self_);
  {
    MutexLock lock(mutex_);
    if (ending_ && ending_->code != Errc::connection_closed) fallback = *ending_;
    if (!ending_) ending_ = fallback;
    queue_.clear();
  }
  Pipe& pipe_of_call = *self;
  pipe_of_call.post([pipe = std::move(self), why = std::move(fallback)] {
    if (pipe->events_ != nullptr) std::exchange(pipe->events_, nullptr)->on_closed(why);
  });
}

}  // namespace millrace::rpc
