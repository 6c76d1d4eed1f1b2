#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "broker/base/bytes.h"
#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/protocol/batch_header.h"

namespace millrace::storage {

bool is_idempotent(const protocol::BatchHeader& header);  // its sequences are checked

// What a log remembers of its idempotent producers: the last five batches of each, so that a batch that is sent again
// is recognized (KIP-98). Bounded: beyond `producers_max` those that were silent longest are forgotten. Not
// thread-safe.
class ProducerState {
 public:
  static constexpr size_t kBatchesPerProducer = 5;

  struct Batch {
    Sequence first_sequence;
    Sequence last_sequence;
    Offset last_offset;
    int32_t offset_delta = 0;  // to the first offset
    Timestamp timestamp = kNoTimestamp;
    Offset first_offset() const { return last_offset.previous(offset_delta); }
  };

  // Whether the next batch of a producer may be appended. An earlier batch that is the same: it is a duplicate.
  // invalid_producer_epoch: a newer instance of the producer has written. out_of_order_sequence: a batch is missing
  // before it.
  Result<std::optional<Batch>> check(const protocol::BatchHeader& header) const;
  // What has to come first of this epoch; kNoSequence when a later epoch has begun, nothing of an unknown producer.
  std::optional<Sequence> next_sequence(ProducerId id, ProducerEpoch epoch) const;
  // Notes a batch that is in the log, however it came there. `now_ms` is when it came, for expiry.
  void update(const protocol::BatchHeader& header, Timestamp now_ms);

  void expire(Timestamp now_ms, int64_t expiration_ms);
  void limit(size_t producers_max);
  void truncate_end(Offset end);  // forgets batches at `end` and behind it
  void clear() { producers_.clear(); }
  size_t size() const { return producers_.size(); }
  std::vector<Offset> batch_ends() const;  // last offsets of all batches that are remembered, ascending

  // Kafka's producer snapshot, version 1; a producer takes one entry for each batch remembered, the newest last (Kafka
  // reads that as the newest alone). All in big-endian: int16 version, uint32 CRC-32C of what follows, int32 number of
  // entries, then per entry int64 producer id, int16 epoch, int32 last sequence, int64 last offset, int32 offset delta,
  // int64 timestamp, int32 coordinator epoch, int64 first offset of an open transaction (-1: none).
  std::string format() const;
  static Result<ProducerState> parse(std::string_view snapshot, Timestamp now_ms);

 private:
  struct Producer {
    ProducerEpoch epoch;
    uint8_t count = 0;
    std::array<Batch, kBatchesPerProducer> batches;  // the oldest first
    Timestamp seen_ms = 0;
    const Batch& newest() const { return batches[count - 1]; }
  };
  static void add(Producer& producer, const Batch& batch);

  std::unordered_map<ProducerId, Producer> producers_;
};

}  // namespace millrace::storage
