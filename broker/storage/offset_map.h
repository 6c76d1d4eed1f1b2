#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "broker/base/bytes.h"
#include "broker/base/strong_id.h"

namespace millrace::storage {

// The newest offset of each key, in a table of bounded size: 24 bytes an entry, 16 of which are a hash of the key.
// Two keys with the same hash would be taken for one, and the older record would be lost; so the hash is SipHash-2-4
// of 128 bits under a random key of this map, which nobody can aim at: among 2^24 keys the chance is below 2^-80.
// Not thread-safe.
class OffsetMap {
 public:
  using HashKey = std::array<uint64_t, 2>;
  static constexpr size_t kEntryBytes = 24;

  // Of at most `bytes_max`, and no larger than `keys_expected` need; allocated at once.
  OffsetMap(size_t bytes_max, uint64_t keys_expected, HashKey hash_key);

  // False when it is full: then the key is not in it. Offsets of one key ascend.
  bool put(BytesView key, Offset offset);
  Offset find(BytesView key) const;  // kNoOffset: not in it
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }
  size_t size_bytes() const { return slots_.size() * kEntryBytes; }

 private:
  struct Slot {
    uint64_t high = 0;
    uint64_t low = 0;
    int64_t offset_after = 0;  // 0: free
  };
  static_assert(sizeof(Slot) == kEntryBytes);
  size_t slot_of(BytesView key, Slot& hash) const;  // where the key is or would come

  const HashKey hash_key_;
  std::vector<Slot> slots_;
  size_t capacity_;
  size_t size_ = 0;
};

// SipHash-2-4 with 128 bits of result.
std::array<uint64_t, 2> sip_hash_128(BytesView bytes, const std::array<uint64_t, 2>& key);

}  // namespace millrace::storage
