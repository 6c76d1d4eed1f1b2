#pragma once

#include "broker/base/result.h"
#include "broker/protocol/batch_header.h"
#include "broker/storage/record_walk.h"

namespace millrace::storage {

// Walks the records of a whole batch, decompressing them where they are compressed; see walk_records(). Errors:
// invalid_record (the payload contradicts the header or cannot be decompressed), unsupported_compression,
// message_too_large (more than protocol::kDecompressedBytesMax).
Result<RecordFacts> walk_batch(const protocol::BatchHeader& header, const Bytes& batch);

// The first record with a timestamp at or after `time` and an offset at or after `from`.
Result<std::optional<RecordAt>> find_in_batch(const protocol::BatchHeader& header, const Bytes& batch, Timestamp time,
                                              Offset from);

}  // namespace millrace::storage
