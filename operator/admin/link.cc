#include "operator/admin/link.h"

#include <array>
#include <string>
#include <utility>

#include "broker/base/endian.h"

namespace millrace::admin {

void Link::exchange(OutputChain frame, Duration timeout, Done done) {
  ENSURE(loop_.is_current() && !done_);
  if (!stream_) return done(Error{Errc::connection_closed, ""});
  output_ = std::move(frame);
  input_.clear();
  done_ = std::move(done);
  timer_ = loop_.run_after(timeout, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->finish(Error{Errc::timed_out, self->stream_->peer().to_string()});
  });
  write();
}

void Link::close() {
  stream_.reset();
  if (done_) finish(Error{Errc::connection_closed, ""});
}

void Link::write() {
  while (done_ && !output_.empty()) {
    const Result<size_t> written = stream_->write_some(output_);
    if (written) continue;
    if (written.error().code != Errc::would_block) return finish(written.error());
    stream_->when_writable([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->write();
    });
    return;
  }
  if (done_) read();
}

void Link::read() {
  std::array<std::byte, 16384> piece;
  while (done_) {
    if (auto frame = take_frame()) return finish(std::move(*frame));
    const Result<size_t> got = stream_->read_some(piece);
    if (got) {
      input_.insert(input_.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(*got));
      continue;
    }
    if (got.error().code != Errc::would_block) return finish(got.error());
    stream_->when_readable([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->read();
    });
    return;
  }
}

std::optional<Result<Bytes>> Link::take_frame() {
  constexpr size_t kSizeBytes = 4;
  if (input_.size() < kSizeBytes) return std::nullopt;
  const auto size = load_big_endian<int32_t>(input_.data());
  if (size <= 0 || static_cast<size_t>(size) > kReplyBytesMax) {
    return Result<Bytes>(Error{Errc::malformed, "a reply of " + std::to_string(size) + " bytes"});
  }
  if (input_.size() < kSizeBytes + static_cast<size_t>(size)) return std::nullopt;
  if (input_.size() > kSizeBytes + static_cast<size_t>(size)) {
    return Result<Bytes>(Error{Errc::malformed, "more bytes than one reply"});
  }
  return Result<Bytes>(Bytes::adopt(std::exchange(input_, {})).slice(kSizeBytes, static_cast<size_t>(size)));
}

void Link::finish(Result<Bytes> result) {
  loop_.cancel(timer_);
  if (!result) stream_.reset();
  const auto keep = shared_from_this();  // the callback may drop the last reference
  std::exchange(done_, nullptr)(std::move(result));
}

}  // namespace millrace::admin
