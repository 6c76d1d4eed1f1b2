#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "broker/base/bytes.h"

namespace millrace::protocol {

inline constexpr int kVarintBytesMax = 5, kVarlongBytesMax = 10;

// Zigzag varints, as records have them: reads one at `at` and steps over it. False when it does not end within
// `bytes_max` or the bytes, or does not fit the type.
inline bool read_varlong(BytesView bytes, size_t& at, int64_t& value, int bytes_max = kVarlongBytesMax) {
  uint64_t bits = 0;
  for (int i = 0; i < bytes_max && at < bytes.size(); ++i) {
    const uint64_t byte = static_cast<uint64_t>(bytes[at++]);
    bits |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      value = static_cast<int64_t>(bits >> 1) ^ -static_cast<int64_t>(bits & 1);
      return true;
    }
  }
  return false;
}
inline bool read_varint(BytesView bytes, size_t& at, int32_t& value) {
  int64_t wide = 0;
  if (!read_varlong(bytes, at, wide, kVarintBytesMax) || wide < INT32_MIN || wide > INT32_MAX) return false;
  value = static_cast<int32_t>(wide);
  return true;
}

inline void append_varlong(std::vector<std::byte>& out, int64_t value) {
  uint64_t bits = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  for (; bits >= 0x80; bits >>= 7) out.push_back(static_cast<std::byte>(bits | 0x80));
  out.push_back(static_cast<std::byte>(bits));
}

}  // namespace millrace::protocol
