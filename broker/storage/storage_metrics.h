#pragma once

#include "broker/base/metrics.h"

namespace millrace::storage {

// What the logs of a broker count, all together. app/ names and shows them.
struct StorageMetrics {
  Counter appended_bytes;
  Counter appended_batches;
  Counter appended_records;
  Counter duplicate_batches;  // of idempotent producers, answered without writing
  Counter refused_batches;    // by validation or sequence
  Counter append_failures;    // disk full, input/output error
  Counter read_bytes;
  Counter rolled_segments;
  Counter removed_segments;  // by retention and DeleteRecords
  Counter truncated_bytes;   // torn tails and diverged histories
  Counter corrupt_batches;   // found by recovery or before serving
  Counter recovered_bytes;   // scanned by recovery
  Counter compactions;       // passes over a log
  Counter compaction_failures;
  Counter compaction_read_bytes;
  Counter compaction_written_bytes;
  Counter compaction_removed_records;
  Counter flushes;
  Counter flush_failures;
  DurationHistogram flush_duration;
  DurationHistogram append_duration;
};

}  // namespace millrace::storage
