#include "broker/storage/batch_records.h"

#include <algorithm>

namespace millrace::storage {

Result<RecordFacts> walk_batch(const BatchHeader& header, BytesView batch) {
  const BytesView payload = batch.subspan(kBatchHeaderBytes);
  return walk_records(payload, header.record_count, header.base_timestamp);
}

Result<std::optional<RecordAt>> find_in_batch(const BatchHeader& header, BytesView batch, Timestamp time, Offset from) {
  const auto delta_min =
      static_cast<int32_t>(std::clamp<int64_t>(from.value() - header.base_offset.value(), 0, header.last_offset_delta));
  // With log append time all records have the batch's time, whatever they say themselves.
  if (header.has(kTimestampTypeBit)) {
    if (header.max_timestamp < time) return std::optional<RecordAt>();
    return std::optional(RecordAt{delta_min, header.max_timestamp});
  }
  const BytesView payload = batch.subspan(kBatchHeaderBytes);
  return find_record(payload, header.record_count, header.base_timestamp, time, delta_min);
}

}  // namespace millrace::storage
