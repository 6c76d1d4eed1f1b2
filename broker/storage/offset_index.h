#pragma once

#include "broker/base/clock.h"
#include "broker/storage/index_file.h"

namespace millrace::storage {

// Where batches lie in a segment file: about one entry per index.interval.bytes. Entry (Kafka's format): int32 last
// offset of the batch relative to the segment's base, int32 position of the batch.
class OffsetIndex : public IndexFile {
 public:
  static constexpr size_t kEntryBytes = 8;
  struct Entry {
    Offset last_offset;  // of the batch at `position`
    uint64_t position = 0;
  };

  OffsetIndex(const SegmentPlace& place, Offset base, SegmentStage stage = SegmentStage::live)
      : IndexFile(place, base, stage == SegmentStage::live ? kOffsetIndexSuffix : kCleanedOffsetIndexSuffix,
                  kEntryBytes),
        base_(base) {}

  Status append(Offset last_offset, uint64_t position);
  // The last entry whose batch ends at or before `offset`; nothing: start at the beginning of the file.
  Result<std::optional<Entry>> find(Offset offset);
  Result<std::optional<Entry>> find_position(uint64_t position);  // the last one at or before it
  Result<std::optional<Entry>> last();
  // Drops the entries of batches at `position` and behind it.
  Status truncate_to(uint64_t position);

 private:
  Result<std::optional<Entry>> at_end_of(uint64_t prefix);
  Entry decode(const std::byte* at) const;

  const Offset base_;
};

// The largest timestamp so far and the offset that has it, growing. Entry (Kafka's format): int64 timestamp, int32
// last offset of the batch that holds it, relative to the segment's base.
class TimeIndex : public IndexFile {
 public:
  static constexpr size_t kEntryBytes = 12;
  struct Entry {
    Timestamp timestamp = kNoTimestamp;
    Offset offset;  // everything before that offset's batch is older
  };

  TimeIndex(const SegmentPlace& place, Offset base, SegmentStage stage = SegmentStage::live)
      : IndexFile(place, base, stage == SegmentStage::live ? kTimeIndexSuffix : kCleanedTimeIndexSuffix, kEntryBytes),
        base_(base) {}

  // Ignored unless later than the last entry.
  Status append(Timestamp timestamp, Offset offset);
  // The last entry not later than `time`.
  Result<std::optional<Entry>> find(Timestamp time);
  Result<std::optional<Entry>> last();
  Status truncate_to(Offset end);  // drops the entries of that offset and later ones

 private:
  Result<std::optional<Entry>> at_end_of(uint64_t prefix);
  Entry decode(const std::byte* at) const;

  const Offset base_;
};

}  // namespace millrace::storage
