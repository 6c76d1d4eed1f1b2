#include "broker/base/uuid.h"

#include "broker/base/endian.h"

namespace millrace {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr size_t kTextLength = 22;

int digit(char c) {
  const size_t at = kAlphabet.find(c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

}  // namespace

Uuid Uuid::from_random(uint64_t high, uint64_t low) {
  high = (high & ~uint64_t{0xf000}) | 0x4000;                // version 4
  low = (low & ~(uint64_t{3} << 62)) | (uint64_t{2} << 62);  // RFC 4122 variant
  if ((high >> 58) == 62) high &= ~(uint64_t{1} << 63);      // 62 is '-', which tools take for an option
  Uuid id;
  store_big_endian(id.bytes.data(), high);
  store_big_endian(id.bytes.data() + 8, low);
  return id;
}

Result<Uuid> Uuid::parse(std::string_view text) {
  if (text.size() != kTextLength)
    return Error{Errc::malformed, "uuid '" + std::string(text) + "' is not 22 characters long"};
  Uuid id;
  uint32_t bits = 0;
  int bit_count = 0;
  size_t out = 0;
  for (char c : text) {
    const int value = digit(c);
    if (value < 0) return Error{Errc::malformed, "uuid '" + std::string(text) + "' is not URL-safe base64"};
    bits = (bits << 6) | static_cast<uint32_t>(value);
    bit_count += 6;
    if (bit_count >= 8 && out < id.bytes.size()) {
      bit_count -= 8;
      id.bytes[out++] = static_cast<std::byte>((bits >> bit_count) & 0xff);
    }
  }
  return id;
}

std::string Uuid::to_string() const {
  std::string text;
  text.reserve(kTextLength);
  uint32_t bits = 0;
  int bit_count = 0;
  for (std::byte byte : bytes) {
    bits = (bits << 8) | static_cast<uint32_t>(byte);
    bit_count += 8;
    while (bit_count >= 6) {
      bit_count -= 6;
      text += kAlphabet[(bits >> bit_count) & 63];
    }
  }
  if (bit_count > 0) text += kAlphabet[(bits << (6 - bit_count)) & 63];
  return text;
}

}  // namespace millrace
