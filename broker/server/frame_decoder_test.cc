#include "broker/server/frame_decoder.h"

#include <gtest/gtest.h>

#include "broker/base/endian.h"

namespace millrace::server {
namespace {

std::string framed(const std::string& content) {
  std::array<std::byte, 4> size;
  store_big_endian(size.data(), static_cast<int32_t>(content.size()));
  return std::string(as_text(size)) + content;
}

// All frames of `stream`, given in parts of `step` bytes.
std::vector<std::string> decode(const std::string& stream, size_t step) {
  FrameDecoder decoder(1 << 20);
  std::vector<std::string> frames;
  size_t at = 0;
  while (at < stream.size()) {
    BytesView input = as_bytes(stream).subspan(at, std::min(step, stream.size() - at));
    if (const std::span<std::byte> place = decoder.place(); !place.empty()) {
      const size_t part = std::min(place.size(), input.size());
      std::copy_n(input.begin(), part, place.begin());
      decoder.filled(part);
      at += part;
      input = {};
    } else {
      at += input.size();
    }
    for (;;) {
      const auto size = decoder.announced(input);
      if (!size.has_value() || !*size) break;
      std::optional<Bytes> frame = decoder.take(input);
      if (!frame) break;
      frames.emplace_back(frame->text());
    }
  }
  EXPECT_FALSE(decoder.is_inside_frame());
  return frames;
}

TEST(FrameDecoder, frames_are_the_same_however_the_stream_is_cut) {
  const std::vector<std::string> frames{"a", std::string(100'000, 'b'), "cc", std::string(16'384, 'd'), "e"};
  std::string stream;
  for (const std::string& frame : frames) stream += framed(frame);
  for (const size_t step : {1u, 2u, 3u, 5u, 7u, 1000u, 16'384u, 65'536u, 200'000u}) {
    EXPECT_TRUE(decode(stream, step) == frames) << "step " << step;
  }
}

TEST(FrameDecoder, the_rest_of_a_large_frame_is_read_into_place) {
  FrameDecoder decoder(1 << 20);
  const std::string stream = framed(std::string(100'000, 'x')).substr(0, 1000);
  BytesView input = as_bytes(stream);
  ASSERT_EQ(**decoder.announced(input), 100'000u);
  EXPECT_TRUE(decoder.place().empty());
  EXPECT_FALSE(decoder.take(input).has_value());
  EXPECT_EQ(decoder.place().size(), 100'000u - 996);
}

TEST(FrameDecoder, sizes_outside_the_limits_are_refused_before_anything_is_allocated) {
  for (const int32_t size : {0, -1, INT32_MIN, 1001, INT32_MAX}) {
    FrameDecoder decoder(1000);
    std::array<std::byte, 4> prefix;
    store_big_endian(prefix.data(), size);
    BytesView input(prefix);
    EXPECT_FALSE(decoder.announced(input).has_value()) << size;
  }
}

}  // namespace
}  // namespace millrace::server
