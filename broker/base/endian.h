#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace millrace {

// Big-endian loads and stores at any alignment: every number on Kafka's wire and in our files.
template <std::integral Int>
inline Int load_big_endian(const std::byte* at) {
  Int value;
  std::memcpy(&value, at, sizeof value);
  if constexpr (sizeof(Int) == 2) value = static_cast<Int>(__builtin_bswap16(static_cast<uint16_t>(value)));
  if constexpr (sizeof(Int) == 4) value = static_cast<Int>(__builtin_bswap32(static_cast<uint32_t>(value)));
  if constexpr (sizeof(Int) == 8) value = static_cast<Int>(__builtin_bswap64(static_cast<uint64_t>(value)));
  return value;
}

template <std::integral Int>
inline void store_big_endian(std::byte* at, Int value) {
  if constexpr (sizeof(Int) == 2) value = static_cast<Int>(__builtin_bswap16(static_cast<uint16_t>(value)));
  if constexpr (sizeof(Int) == 4) value = static_cast<Int>(__builtin_bswap32(static_cast<uint32_t>(value)));
  if constexpr (sizeof(Int) == 8) value = static_cast<Int>(__builtin_bswap64(static_cast<uint64_t>(value)));
  std::memcpy(at, &value, sizeof value);
}

static_assert(std::endian::native == std::endian::little, "the byte swaps above assume a little-endian machine");

}  // namespace millrace
