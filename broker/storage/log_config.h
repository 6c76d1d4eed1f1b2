#pragma once

#include <algorithm>
#include <cstdint>

#include "broker/base/clock.h"

namespace millrace::storage {

enum class TimestampType : uint8_t { create_time = 0, log_append_time = 1 };

// What a partition's topic configuration means to its log: Kafka's topic properties of the same names, with their
// defaults. A value; replaced whole when the topic's configuration changes. -1 is Kafka's "no limit" where noted.
struct LogConfig {
  int32_t segment_bytes_max = 1 << 30;    // segment.bytes
  int64_t segment_ms_max = 604'800'000;   // segment.ms
  int64_t retention_ms = 604'800'000;     // retention.ms, -1: no limit
  int64_t retention_bytes = -1;           // retention.bytes, -1: no limit
  int64_t file_delete_delay_ms = 60'000;  // file.delete.delay.ms
  int32_t index_interval_bytes = 4096;    // index.interval.bytes
  int32_t batch_bytes_max = 1'048'588;    // max.message.bytes
  int64_t flush_messages =
      INT64_MAX;                 // flush.messages: flush when this many records are not flushed; 1: before each ack
  int64_t flush_ms = INT64_MAX;  // flush.ms
  TimestampType timestamp_type = TimestampType::create_time;  // message.timestamp.type
  int64_t timestamp_before_ms_max = INT64_MAX;                // message.timestamp.before.max.ms
  int64_t timestamp_after_ms_max = 3'600'000;                 // message.timestamp.after.max.ms
  bool delete_old = true;                                     // cleanup.policy holds "delete"
  bool compact = false;                                       // cleanup.policy holds "compact": records need keys
  double min_dirty_ratio = 0.5;                               // min.cleanable.dirty.ratio
  int64_t compaction_lag_ms_min = 0;                          // min.compaction.lag.ms
  int64_t compaction_lag_ms_max = INT64_MAX;                  // max.compaction.lag.ms
  int64_t delete_retention_ms = 86'400'000;                   // delete.retention.ms

  // Age at which a segment is rolled: nothing is compacted before its segment is sealed.
  int64_t roll_ms() const { return compact ? std::min(segment_ms_max, compaction_lag_ms_max) : segment_ms_max; }
};

}  // namespace millrace::storage
