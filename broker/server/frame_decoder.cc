#include "broker/server/frame_decoder.h"

#include <algorithm>
#include <cstring>

#include "broker/base/endian.h"
#include "broker/base/ensure.h"

namespace millrace::server {

Result<std::optional<size_t>> FrameDecoder::announced(BytesView& input) {
  if (size_) return size_;
  const size_t part = std::min(input.size(), prefix_.size() - prefix_filled_);
  std::copy_n(input.begin(), part, prefix_.begin() + prefix_filled_);
  prefix_filled_ = static_cast<uint8_t>(prefix_filled_ + part);
  input = input.subspan(part);
  if (prefix_filled_ < prefix_.size()) return std::optional<size_t>();
  const auto size = load_big_endian<int32_t>(prefix_.data());
  if (size <= 0) return Error{Errc::malformed, "frame of " + std::to_string(size) + " bytes"};
  if (static_cast<size_t>(size) > frame_bytes_max_) {
    return Error{Errc::message_too_large, "frame of " + std::to_string(size) + " bytes"};
  }
  prefix_filled_ = 0;
  size_ = static_cast<size_t>(size);
  return size_;
}

std::optional<Bytes> FrameDecoder::take(BytesView& input) {
  ENSURE(size_);
  if (frame_.empty() && input.size() >= *size_) {
    Bytes whole = Bytes::copy_of(input.first(*size_));
    input = input.subspan(*size_);
    size_.reset();
    return whole;
  }
  if (frame_.empty() && !input.empty()) frame_ = Bytes::uninitialized(*size_);
  const size_t part = std::min(input.size(), *size_ - filled_);
  if (part != 0) std::memcpy(frame_.mutable_data() + filled_, input.data(), part);
  filled_ += part;
  input = input.subspan(part);
  if (filled_ < *size_) return std::nullopt;
  size_.reset();
  filled_ = 0;
  return std::exchange(frame_, Bytes{});
}

std::span<std::byte> FrameDecoder::place() {
  if (frame_.empty() || *size_ - filled_ < kReadIntoPlaceMin) return {};
  return {frame_.mutable_data() + filled_, *size_ - filled_};
}

void FrameDecoder::filled(size_t bytes) {
  ENSURE(size_ && bytes <= *size_ - filled_);
  filled_ += bytes;
}

}  // namespace millrace::server
