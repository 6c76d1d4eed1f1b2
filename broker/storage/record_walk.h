#pragma once

#include <cstdint>
#include <optional>

#include "broker/base/bytes.h"
#include "broker/base/clock.h"
#include "broker/base/result.h"

namespace millrace::storage {

// What walking the records of a batch found.
struct RecordFacts {
  int32_t count = 0;
  Timestamp timestamp_min = kNoTimestamp;
  Timestamp timestamp_max = kNoTimestamp;
  int32_t keyless = 0;  // records without a key
};

// Walks uncompressed records: lengths agree with the bytes, offset deltas count from 0, and there are `count` of them
// and nothing behind. invalid_record, saying which record.
Result<RecordFacts> walk_records(BytesView records, int32_t count, Timestamp base_timestamp);

// The first record with timestamp >= `time` and offset delta >= `delta_min`.
struct RecordAt {
  int32_t offset_delta = 0;
  Timestamp timestamp = kNoTimestamp;
};
Result<std::optional<RecordAt>> find_record(BytesView records, int32_t count, Timestamp base_timestamp, Timestamp time,
                                            int32_t delta_min);

}  // namespace millrace::storage
