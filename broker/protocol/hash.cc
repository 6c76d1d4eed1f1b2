#include "broker/protocol/hash.h"

#include <cstdlib>

namespace millrace::protocol {

int32_t java_string_hash(std::string_view utf8) {
  uint32_t hash = 0;
  for (size_t i = 0; i < utf8.size();) {
    const auto lead = static_cast<uint8_t>(utf8[i]);
    const size_t extra = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    uint32_t code = extra == 0 ? lead : lead & (0x3fu >> extra);
    for (size_t k = 1; k <= extra && i + k < utf8.size(); ++k)
      code = (code << 6) | (static_cast<uint8_t>(utf8[i + k]) & 0x3f);
    i += extra + 1;
    if (code >= 0x10000) {  // a surrogate pair
      hash = hash * 31 + (0xd800 + ((code - 0x10000) >> 10));
      code = 0xdc00 + ((code - 0x10000) & 0x3ff);
    }
    hash = hash * 31 + code;
  }
  return static_cast<int32_t>(hash);
}

int32_t coordinator_partition(std::string_view id, int32_t partitions) {
  const int32_t hash = java_string_hash(id);
  return (hash == INT32_MIN ? 0 : std::abs(hash)) % partitions;
}

int32_t murmur2(BytesView bytes) {
  constexpr uint32_t kSeed = 0x9747b28c, kMultiplier = 0x5bd1e995;
  uint32_t hash = kSeed ^ static_cast<uint32_t>(bytes.size());
  size_t at = 0;
  for (; bytes.size() - at >= 4; at += 4) {
    uint32_t word = 0;
    for (size_t k = 0; k < 4; ++k) word |= static_cast<uint32_t>(bytes[at + k]) << (8 * k);
    word *= kMultiplier;
    word ^= word >> 24;
    hash = (hash * kMultiplier) ^ (word * kMultiplier);
  }
  const size_t left = bytes.size() - at;
  for (size_t k = left; k-- > 0;) hash ^= static_cast<uint32_t>(bytes[at + k]) << (8 * k);
  if (left > 0) hash *= kMultiplier;
  hash ^= hash >> 13;
  hash *= kMultiplier;
  hash ^= hash >> 15;
  return static_cast<int32_t>(hash);
}

}  // namespace millrace::protocol
