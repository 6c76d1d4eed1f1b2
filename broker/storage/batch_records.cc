#include "broker/storage/batch_records.h"

#include <algorithm>

#include "broker/protocol/record_batch.h"

namespace millrace::storage {

Result<RecordFacts> walk_batch(const protocol::BatchHeader& header, const Bytes& batch) {
  TRY_ASSIGN(const Bytes records, protocol::records_of(header, batch));
  return walk_records(records.view(), header.record_count, header.base_timestamp);
}

Result<std::optional<RecordAt>> find_in_batch(const protocol::BatchHeader& header, const Bytes& batch, Timestamp time,
                                              Offset from) {
  const auto delta_min =
      static_cast<int32_t>(std::clamp<int64_t>(from.value() - header.base_offset.value(), 0, header.last_offset_delta));
  // With log append time all records have the batch's time, whatever they say themselves.
  if (header.has(protocol::kTimestampTypeBit)) {
    if (header.max_timestamp < time) return std::optional<RecordAt>();
    return std::optional(RecordAt{delta_min, header.max_timestamp});
  }
  TRY_ASSIGN(const Bytes records, protocol::records_of(header, batch));
  return find_record(records.view(), header.record_count, header.base_timestamp, time, delta_min);
}

}  // namespace millrace::storage
