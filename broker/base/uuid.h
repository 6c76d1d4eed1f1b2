#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "broker/base/result.h"

namespace millrace {

// 16 bytes that name a topic, a directory or a cluster; written as Kafka writes them: URL-safe base64, 22 characters,
// no padding.
struct Uuid {
  std::array<std::byte, 16> bytes{};

  // A version 4 UUID of two random words. Kafka reserves 0 and 1 and avoids a leading '-' in the text; both are avoided
  // here.
  static Uuid from_random(uint64_t high, uint64_t low);
  static Result<Uuid> parse(std::string_view text);
  std::string to_string() const;
  bool is_zero() const { return *this == Uuid{}; }

  friend auto operator<=>(const Uuid&, const Uuid&) = default;
};

}  // namespace millrace

template <>
struct std::hash<millrace::Uuid> {
  size_t operator()(const millrace::Uuid& id) const noexcept {
    size_t word;
    std::memcpy(&word, id.bytes.data() + 8, sizeof word);
    return word;
  }
};
