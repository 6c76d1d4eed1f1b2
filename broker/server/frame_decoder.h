#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "broker/base/bytes.h"
#include "broker/base/result.h"

namespace millrace::server {

// Cuts a byte stream into frames: int32 size, then as many bytes. A frame that arrives whole is copied once into a
// block of its own size; of a larger one only the start is, and the rest is read into place. Holds no memory between
// frames. Not thread-safe. Use:
//
//   while (auto size = announced(input)) { admit *size; auto frame = take(input); if (!frame) break; … }
class FrameDecoder {
 public:
  // Rests shorter than this are read with what follows them, in one call, and copied.
  static constexpr size_t kReadIntoPlaceMin = 16 << 10;

  explicit FrameDecoder(size_t frame_bytes_max) : frame_bytes_max_(frame_bytes_max) {}

  // The size of the frame under way, taking its prefix from the front of `input` when it is not known; none while the
  // prefix is not complete. malformed when it is not positive, message_too_large beyond the limit: the stream is
  // useless from there on.
  Result<std::optional<size_t>> announced(BytesView& input);
  // The frame whose size was announced, taking bytes from the front of `input`; none while it is not complete.
  std::optional<Bytes> take(BytesView& input);

  // Where the stream's next bytes are to be read to instead of a buffer; empty when a buffer is the better place. What
  // was read there is told to filled(), then take() is tried with an empty input.
  std::span<std::byte> place();
  void filled(size_t bytes);

  bool is_inside_frame() const { return size_.has_value() || prefix_filled_ != 0; }

 private:
  size_t frame_bytes_max_;
  std::array<std::byte, sizeof(int32_t)> prefix_{};
  uint8_t prefix_filled_ = 0;
  std::optional<size_t> size_;
  Bytes frame_;  // allocated when the first part of an incomplete frame is stored
  size_t filled_ = 0;
};

}  // namespace millrace::server
