#include "broker/storage/batch_records.h"

#include <algorithm>
#include <limits>

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
  if (header.record_count == 0) return std::optional<RecordAt>();
  // With log append time all records have the batch's time, whatever they say themselves.
  const bool by_log_time = header.has(protocol::kTimestampTypeBit);
  if (by_log_time && header.max_timestamp < time) return std::optional<RecordAt>();
  const bool is_complete = header.record_count == int64_t{header.last_offset_delta} + 1;  // not compacted
  if (by_log_time && is_complete) return std::optional(RecordAt{delta_min, header.max_timestamp});
  TRY_ASSIGN(const Bytes records, protocol::records_of(header, batch));
  if (by_log_time) {
    constexpr Timestamp kAny = std::numeric_limits<Timestamp>::min();
    TRY_ASSIGN(auto found, find_record(records.view(), header.record_count, header.base_timestamp, kAny, delta_min));
    if (found) found->timestamp = header.max_timestamp;
    return found;
  }
  return find_record(records.view(), header.record_count, header.base_timestamp, time, delta_min);
}

}  // namespace millrace::storage
