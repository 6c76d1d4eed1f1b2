#include <algorithm>

#include "broker/storage/batch_records.h"
#include "broker/storage/log_state.h"

namespace millrace::storage {

// The record that a batch was found for; nothing when the header promised more than the records hold.
Result<std::optional<TimestampOffset>> Log::State::record_in(Segment& segment, const Segment::Location& location,
                                                             Timestamp time, Offset from, Offset below) {
  TRY_ASSIGN(const auto verified,
             segment.verify(location.position, location.position + location.bytes, location.base_offset));
  if (verified.end == location.position) {
    return Error{Errc::corrupt,
                 segment.path() + " at byte " + std::to_string(location.position) + ": " + verified.reason};
  }
  TRY_ASSIGN(const auto file, segment.file());
  Bytes bytes = Bytes::uninitialized(static_cast<size_t>(location.bytes));
  TRY_ASSIGN(const size_t got, file->read_at(location.position, std::span(bytes.mutable_data(), bytes.size())));
  if (got != bytes.size()) return Error{Errc::io, segment.path() + " is shorter than it was"};
  const protocol::BatchHeader header = protocol::BatchHeader::decode(bytes.data());
  TRY_ASSIGN(const auto record, find_in_batch(header, bytes, time, from));
  if (!record) return std::optional<TimestampOffset>();
  const Offset offset = header.base_offset.next(record->offset_delta);
  if (offset >= below) return std::optional<TimestampOffset>();
  return std::optional(TimestampOffset{record->timestamp, offset, epochs.at(offset)});
}

Result<std::optional<TimestampOffset>> Log::find_by_timestamp(Timestamp time, Offset below) {
  State& state = *state_;
  for (size_t i = state.segment_of(state.log_start); i < state.segments.size(); ++i) {
    Segment& segment = *state.segments[i];
    if (segment.base() >= below) break;
    Offset from = std::max(state.log_start, segment.base());
    while (true) {
      TRY_ASSIGN(const auto location, segment.locate_time(time, from));
      if (!location) break;
      if (location->base_offset >= below) return std::optional<TimestampOffset>();
      TRY_ASSIGN(auto record, state.record_in(segment, *location, time, from, below));
      if (record) return record;
      // The largest record of that batch lies before the log start.
      from = location->next_offset;
    }
  }
  return std::optional<TimestampOffset>();
}

Result<std::optional<TimestampOffset>> Log::find_max_timestamp(Offset below) {
  State& state = *state_;
  std::optional<TimestampOffset> newest;
  // Segments from the newest on; the largest of a segment's is known without reading it.
  for (size_t i = state.segments.size(); i-- > state.segment_of(state.log_start);) {
    Segment& segment = *state.segments[i];
    if (segment.is_empty() || segment.base() >= below) continue;
    TRY_ASSIGN(Timestamp time, segment.max_timestamp());
    if (time == kNoTimestamp || (newest && time < newest->timestamp)) continue;
    const Offset from = std::max(state.log_start, segment.base());
    if (below < segment.end() || from > segment.base()) {
      // Not all of it counts: the largest of those batches that do.
      time = kNoTimestamp;
      TRY(segment.for_each_header(from, [&](const protocol::BatchHeader& header) {
        if (header.record_count != 0 && header.next_offset() <= below) time = std::max(time, header.max_timestamp);
      }));
      if (time == kNoTimestamp || (newest && time < newest->timestamp)) continue;
    }
    TRY_ASSIGN(const auto location, segment.locate_time(time, from));
    if (!location) continue;
    TRY_ASSIGN(const auto record, state.record_in(segment, *location, time, from, below));
    if (record) newest = record;
  }
  return newest;
}

}  // namespace millrace::storage
