#include "broker/storage/offset_map.h"

#include <algorithm>
#include <bit>

#include "broker/base/ensure.h"

namespace millrace::storage {

namespace {

constexpr uint64_t kFilledPercentMax = 80;  // beyond it probes get long

uint64_t load_little_endian(const std::byte* at) {
  uint64_t value = 0;
  std::memcpy(&value, at, sizeof value);
  if constexpr (std::endian::native == std::endian::big) value = __builtin_bswap64(value);
  return value;
}

struct Sip {
  uint64_t v0, v1, v2, v3;
  void rounds(int count) {
    for (int i = 0; i < count; ++i) {
      v0 += v1;
      v1 = std::rotl(v1, 13) ^ v0;
      v0 = std::rotl(v0, 32);
      v2 += v3;
      v3 = std::rotl(v3, 16) ^ v2;
      v0 += v3;
      v3 = std::rotl(v3, 21) ^ v0;
      v2 += v1;
      v1 = std::rotl(v1, 17) ^ v2;
      v2 = std::rotl(v2, 32);
    }
  }
  void absorb(uint64_t word) {
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  }
};

}  // namespace

std::array<uint64_t, 2> sip_hash_128(BytesView bytes, const std::array<uint64_t, 2>& key) {
  Sip sip{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d ^ 0xee, key[0] ^ 0x6c7967656e657261,
          key[1] ^ 0x7465646279746573};
  const size_t words = bytes.size() / 8;
  for (size_t i = 0; i < words; ++i) sip.absorb(load_little_endian(bytes.data() + i * 8));
  uint64_t last = static_cast<uint64_t>(bytes.size()) << 56;
  for (size_t i = words * 8; i < bytes.size(); ++i) last |= static_cast<uint64_t>(bytes[i]) << (8 * (i % 8));
  sip.absorb(last);
  sip.v2 ^= 0xee;
  sip.rounds(4);
  const uint64_t first = sip.v0 ^ sip.v1 ^ sip.v2 ^ sip.v3;
  sip.v1 ^= 0xdd;
  sip.rounds(4);
  return {first, sip.v0 ^ sip.v1 ^ sip.v2 ^ sip.v3};
}

OffsetMap::OffsetMap(size_t bytes_max, uint64_t keys_expected, HashKey hash_key) : hash_key_(hash_key) {
  constexpr uint64_t kSlotsMin = 8;
  const uint64_t wanted = std::min<uint64_t>(keys_expected, bytes_max) * 100 / kFilledPercentMax + kSlotsMin;
  slots_.resize(
      static_cast<size_t>(std::clamp<uint64_t>(wanted, kSlotsMin, std::max(bytes_max / kEntryBytes, kSlotsMin))));
  capacity_ = slots_.size() * kFilledPercentMax / 100;
}

size_t OffsetMap::slot_of(BytesView key, Slot& hash) const {
  const auto [high, low] = sip_hash_128(key, hash_key_);
  hash = {high, low, 0};
  __extension__ using Wide = unsigned __int128;
  auto at = static_cast<size_t>((static_cast<Wide>(high) * slots_.size()) >> 64);
  while (slots_[at].offset_after != 0 && (slots_[at].high != high || slots_[at].low != low)) {
    at = at + 1 == slots_.size() ? 0 : at + 1;
  }
  return at;
}

bool OffsetMap::put(BytesView key, Offset offset) {
  Slot hash;
  Slot& slot = slots_[slot_of(key, hash)];
  if (slot.offset_after == 0) {
    if (size_ == capacity_) return false;
    ++size_;
    slot = hash;
  }
  slot.offset_after = std::max(slot.offset_after, offset.value() + 1);
  return true;
}

Offset OffsetMap::find(BytesView key) const {
  Slot hash;
  return Offset(slots_[slot_of(key, hash)].offset_after - 1);
}

}  // namespace millrace::storage
