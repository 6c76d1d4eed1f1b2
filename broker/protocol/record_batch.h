#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/bytes.h"
#include "broker/base/clock.h"
#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/protocol/batch_header.h"
#include "broker/protocol/compression.h"

namespace millrace::protocol {

// Record batches v2 (magic 2): what producers send, logs store and consumers read. Layout: batch_header.h.

struct RecordHeader {
  BytesView name;
  std::optional<BytesView> value;
};

// One record as it lies in a batch; views into it.
struct RecordView {
  int32_t offset_delta = 0;
  Timestamp timestamp_delta = 0;
  std::optional<BytesView> key;
  std::optional<BytesView> value;
  int32_t header_count = 0;
  BytesView headers;  // encoded; see read_headers
};

// Steps through the records of a batch that are not (or no longer) compressed. Every length is checked against the
// bytes and against the record's own length. Not thread-safe.
class RecordCursor {
 public:
  explicit RecordCursor(BytesView records) : records_(records) {}
  bool at_end() const { return at_ == records_.size(); }
  // invalid_record, naming the position; the cursor stays where it was.
  Result<RecordView> next();

 private:
  BytesView records_;
  size_t at_ = 0;
};

// invalid_record when they do not fit; next() has checked records of its own.
Result<std::vector<RecordHeader>> read_headers(const RecordView& record);

// A record with its place and time resolved, for readers that are not on the hot path (coordinators, tools, tests).
struct Record {
  Offset offset;
  Timestamp timestamp = kNoTimestamp;
  std::optional<Bytes> key;
  std::optional<Bytes> value;
  struct Header {
    std::string name;
    std::optional<Bytes> value;
  };
  std::vector<Header> headers;
};

// What must hold of the bytes of one whole batch before its records are looked at: size, magic, CRC, counts. `bytes`
// may be longer than the batch. Errors: corrupt (size, magic or CRC), invalid_record (counts).
Result<BatchHeader> check_batch(BytesView bytes);

// The records' bytes, decompressed where they are compressed (a slice of `batch` where not). Errors as decompress().
Result<Bytes> records_of(const BatchHeader& header, const Bytes& batch, size_t bytes_max = kDecompressedBytesMax);

// Decodes every record of one batch, checking what check_batch() does and that there are exactly `record_count`
// records.
Result<std::vector<Record>> read_batch(const Bytes& batch, size_t bytes_max = kDecompressedBytesMax);
// The same for batches one after another; an incomplete last one is ignored, as a fetch may end in it. Control batches
// are left out.
Result<std::vector<Record>> read_batches(const Bytes& batches, size_t bytes_max = kDecompressedBytesMax);

// Builds one batch. Offsets count from 0 and the leader epoch is -1, as from a producer; a log assigns both.
class RecordBatchBuilder {
 public:
  explicit RecordBatchBuilder(Codec codec = Codec::none) : codec_(codec) {}

  RecordBatchBuilder& producer(ProducerId id, ProducerEpoch epoch, Sequence base_sequence);
  RecordBatchBuilder& attributes(int16_t bits);  // beside the codec: kTransactionalBit, kControlBit, kTimestampTypeBit
  RecordBatchBuilder& add(Timestamp timestamp, std::optional<BytesView> key, std::optional<BytesView> value,
                          const std::vector<RecordHeader>& headers = {});
  int32_t count() const { return count_; }
  size_t size_bytes() const { return records_.size() + kBatchHeaderBytes; }  // before compression
  // The batch; the builder is empty afterwards. A batch without records is a bug.
  Bytes build();

 private:
  Codec codec_;
  int16_t attributes_ = 0;
  ProducerId producer_id_ = kNoProducerId;
  ProducerEpoch producer_epoch_ = kNoProducerEpoch;
  Sequence base_sequence_ = kNoSequence;
  int32_t count_ = 0;
  Timestamp base_timestamp_ = 0;
  Timestamp max_timestamp_ = kNoTimestamp;
  std::vector<std::byte> records_;
};

// In place, for the log that takes a batch: outside the CRC …
void set_base_offset(std::byte* batch, Offset offset);
void set_leader_epoch(std::byte* batch, LeaderEpoch epoch);
// … and inside it: LogAppendTime. Recomputes the CRC over the whole batch of `size` bytes.
void set_log_append_time(std::byte* batch, size_t size, Timestamp time);

}  // namespace millrace::protocol
