#include "broker/coordinator/group_hash.h"

#include "broker/base/ensure.h"

namespace millrace::coordinator {
namespace {

constexpr uint32_t kReplacement = 0xFFFD;

// Decodes one code point and moves `at` past it.
uint32_t next_code_point(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(at++);
  if (first < 0x80) return first;
  const size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : 0;
  if (more == 0 || first >= 0xF8 || at + more > text.size()) return kReplacement;
  uint32_t point = first & (0x3Fu >> more);
  for (size_t i = 0; i < more; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return kReplacement;
    point = point << 6 | (byte(at + i) & 0x3Fu);
  }
  at += more;
  return point;
}

}  // namespace

int32_t java_string_hash(std::string_view text) {
  uint32_t hash = 0;
  for (size_t at = 0; at < text.size();) {
    const uint32_t point = next_code_point(text, at);
    if (point >= 0x10000) {
      hash = 31 * hash + (0xD800 + ((point - 0x10000) >> 10));
      hash = 31 * hash + (0xDC00 + ((point - 0x10000) & 0x3FF));
    } else {
      hash = 31 * hash + point;
    }
  }
  return static_cast<int32_t>(hash);
}

PartitionIndex partition_of_group(std::string_view group, int32_t partitions) {
  ENSURE(partitions > 0);
  return PartitionIndex{(java_string_hash(group) & 0x7fffffff) % partitions};
}

}  // namespace millrace::coordinator
