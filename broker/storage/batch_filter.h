#pragma once

#include <functional>
#include <vector>

#include "broker/base/bytes.h"
#include "broker/base/clock.h"
#include "broker/base/result.h"
#include "broker/protocol/batch_header.h"
#include "broker/storage/offset_map.h"

namespace millrace::storage {

// By what compaction judges the records of a batch.
struct FilterRule {
  const OffsetMap& newest;  // offsets of the newest record of each key in the part that is being cleaned
  Offset below;             // records from here on are not judged: they stay as they are
  Timestamp now_ms = 0;
  int64_t delete_retention_ms = 0;  // of a tombstone, from when compaction first met it
  size_t batch_bytes_max = 0;
};

// What is left of a batch.
struct FilteredBatch {
  enum class Kind : uint8_t { unchanged, rewritten, emptied } kind = Kind::unchanged;
  std::vector<Bytes> batches;  // rewritten: usually one; more when one would be larger than is allowed
  int64_t records_removed = 0;
  int64_t keyless = 0;  // of these, records without a key
};

// A record stays when it is the newest of its key and, without a value (a tombstone), as long as its delete horizon has
// not passed: the time, set in the batch at the first compaction that meets it, until when consumers can see it
// (KIP-534: attribute bit 6, in the place of the base timestamp). Records without a key go. Offsets, sequences,
// timestamps, codec and leader epoch stay; control batches stay as they are. `batch` has been verified. Errors:
// invalid_record (its records contradict its header), unsupported_compression, message_too_large.
Result<FilteredBatch> filter_batch(const protocol::BatchHeader& header, const Bytes& batch, const FilterRule& rule);

// A batch without records that stands for [first, last], so that offsets continue. Kafka writes such ones for the sake
// of producers; `like`: with its producer, epochs and sequences.
Bytes make_empty_batch(Offset first, Offset last, LeaderEpoch epoch);
Bytes make_empty_batch(const protocol::BatchHeader& like);

}  // namespace millrace::storage
