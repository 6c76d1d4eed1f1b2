#pragma once

#include <cstddef>
#include <cstdint>

#include "broker/base/bytes.h"
#include "broker/base/clock.h"
#include "broker/base/endian.h"
#include "broker/base/strong_id.h"

namespace millrace::protocol {

// Where the fields of a record batch v2 lie; numbers are big-endian. The CRC covers everything from the attributes on,
// so base offset and leader epoch may be rewritten without touching it.
inline constexpr size_t kBaseOffsetAt = 0, kLengthAt = 8, kLeaderEpochAt = 12, kMagicAt = 16, kCrcAt = 17,
                        kAttributesAt = 21, kLastOffsetDeltaAt = 23, kBaseTimestampAt = 27, kMaxTimestampAt = 35,
                        kProducerIdAt = 43, kProducerEpochAt = 51, kBaseSequenceAt = 53, kRecordCountAt = 57,
                        kBatchHeaderBytes = 61;
static_assert(kCrcAt == kMagicAt + sizeof(int8_t) && kAttributesAt == kCrcAt + sizeof(int32_t) &&
              kBatchHeaderBytes == kRecordCountAt + sizeof(int32_t));
inline constexpr size_t kLengthExcludes = 12;  // base offset and length are not counted by the length
inline constexpr int8_t kMagic = 2;
inline constexpr int16_t kCodecMask = 0x07, kTimestampTypeBit = 0x08, kTransactionalBit = 0x10, kControlBit = 0x20,
                         kDeleteHorizonBit = 0x40;

// The decoded first 61 bytes of a batch; nothing is checked.
struct BatchHeader {
  Offset base_offset;
  int32_t length = 0;
  LeaderEpoch leader_epoch;
  int8_t magic = 0;
  uint32_t crc = 0;
  int16_t attributes = 0;
  int32_t last_offset_delta = 0;
  Timestamp base_timestamp = kNoTimestamp;
  Timestamp max_timestamp = kNoTimestamp;
  ProducerId producer_id = kNoProducerId;
  ProducerEpoch producer_epoch = kNoProducerEpoch;
  Sequence base_sequence = kNoSequence;
  int32_t record_count = 0;

  static BatchHeader decode(const std::byte* at) {
    return {Offset(load_big_endian<int64_t>(at + kBaseOffsetAt)),
            load_big_endian<int32_t>(at + kLengthAt),
            LeaderEpoch(load_big_endian<int32_t>(at + kLeaderEpochAt)),
            load_big_endian<int8_t>(at + kMagicAt),
            load_big_endian<uint32_t>(at + kCrcAt),
            load_big_endian<int16_t>(at + kAttributesAt),
            load_big_endian<int32_t>(at + kLastOffsetDeltaAt),
            load_big_endian<int64_t>(at + kBaseTimestampAt),
            load_big_endian<int64_t>(at + kMaxTimestampAt),
            ProducerId(load_big_endian<int64_t>(at + kProducerIdAt)),
            ProducerEpoch(load_big_endian<int16_t>(at + kProducerEpochAt)),
            Sequence(load_big_endian<int32_t>(at + kBaseSequenceAt)),
            load_big_endian<int32_t>(at + kRecordCountAt)};
  }

  Offset last_offset() const { return base_offset.next(last_offset_delta); }
  Offset next_offset() const { return base_offset.next(int64_t{last_offset_delta} + 1); }
  size_t total_bytes() const { return kLengthExcludes + static_cast<size_t>(length); }
  int codec() const { return attributes & kCodecMask; }
  bool has(int16_t bit) const { return (attributes & bit) != 0; }
  // What every stored batch fulfils, CRC aside. Compaction may have left fewer records than offsets.
  bool is_plausible() const {
    return magic == kMagic && length >= static_cast<int32_t>(kBatchHeaderBytes - kLengthExcludes) &&
           base_offset.value() >= 0 && last_offset_delta >= 0 && base_offset.value() < INT64_MAX - last_offset_delta &&
           record_count >= 0 && record_count <= int64_t{last_offset_delta} + 1;
  }
};

}  // namespace millrace::protocol
