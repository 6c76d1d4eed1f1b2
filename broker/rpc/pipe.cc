#include "broker/rpc/pipe.h"

#include <utility>
#include <vector>

#include "broker/base/ensure.h"

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

void Pipe::open() {
  self_ = shared_from_this();
  loop_.enter(*this);
}

void Pipe::ended() {
  if (--under_way_ == 0) over();
}

void Pipe::over() {
  const std::shared_ptr<Pipe> self = std::move(self_);
  loop_.leave(*this);
  const bool has_reason = ending_ && ending_->code != Errc::connection_closed;
  if (!ending_) ending_ = outcome_;
  queue_.clear();
  if (events_ != nullptr) std::exchange(events_, nullptr)->on_closed(has_reason ? *ending_ : outcome_);
  is_over();
}

void Pipe::end(Error why) {
  if (ending_) return;
  ending_ = std::move(why);
  queue_.clear();
}

void Pipe::abandon() {
  events_ = nullptr;
  end(Error{Errc::shutting_down, {}});
  cancel();
  if (under_way_ == 0) over();
}

void Pipe::close() {
  if (std::exchange(events_, nullptr) == nullptr) return;
  if (self_ == nullptr) return;  // it is over
  ENSURE(loop_.is_current());
  end(Error{Errc::connection_closed, {}});
  cancel();
}

void Pipe::send(Frame frame) {
  if (ending_) return;
  ENSURE(loop_.is_current());
  unsent_ += frame.size();
  queue_.push_back(std::move(frame));
  write_next();
}

void Pipe::allow_writes() {
  writing_ = false;
  write_next();
}

void Pipe::write_next() {
  if (writing_ || ending_ || queue_.empty()) return;
  writing_ = true;
  Frame frame = std::move(queue_.front());
  queue_.pop_front();
  writing_bytes_ = frame.size();
  outgoing_ = to_buffer(std::move(frame));
  begin();
  start_write(outgoing_, write_done_.tag());
}

void Pipe::write_done(bool ok) {
  outgoing_.Clear();
  writing_ = false;
  unsent_ -= writing_bytes_;
  if (ok) write_next();  // otherwise the read that is always under way ends too, with the reason
  ended();
}

void Pipe::read_next() {
  if (ending_) return;
  begin();
  start_read(&incoming_, read_done_.tag());
}

void Pipe::read_done(bool ok) {
  if (ok && !ending_) {
    Bytes frame = to_bytes(incoming_);
    incoming_.Clear();
    if (const Status good = may_take_frame(); good) {
      if (events_ != nullptr) events_->on_frame(std::move(frame));
      // With each read gRPC announces at once, by a packet of its own, what the peer may send: after the answer to the
      // frame, also where that was posted, for it would only hold the answer up, and wakes the peer with it then.
      loop_.post([self = shared_from_this()] { self->read_next(); });
    } else {
      end(good.error());
      cancel();
    }
  } else if (!ok) {
    end(Error{Errc::connection_closed, {}});
    peer_ended();
  }
  ended();
}

}  // namespace millrace::rpc
