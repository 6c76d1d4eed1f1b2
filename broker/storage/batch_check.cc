#include "broker/base/crc32c.h"
#include "broker/protocol/compression.h"
#include "broker/storage/batch_records.h"
#include "broker/storage/log.h"

namespace millrace::storage {

namespace {

Error refused(std::string why) { return {Errc::invalid_record, std::move(why)}; }

// One whole batch of the current format, as far as sizes say.
Result<protocol::BatchHeader> read_header(BytesView batch) {
  if (batch.size() < protocol::kBatchHeaderBytes) return refused("the batch ends inside its header");
  const protocol::BatchHeader header = protocol::BatchHeader::decode(batch.data());
  if (header.magic == 0 || header.magic == 1) return refused("the batch has an old message format");
  if (header.magic != protocol::kMagic) return Error{Errc::corrupt, "batch magic " + std::to_string(header.magic)};
  if (header.length < static_cast<int32_t>(protocol::kBatchHeaderBytes - protocol::kLengthExcludes)) {
    return Error{Errc::corrupt, "batch length " + std::to_string(header.length)};
  }
  if (header.total_bytes() > batch.size()) return refused("the batch is cut short");
  if (header.total_bytes() < batch.size()) return refused("more than one batch for a partition");
  return header;
}

// What only a client can get wrong: brokers assign the rest.
Status check_structure(const protocol::BatchHeader& header) {
  if (header.record_count <= 0) return refused("a batch of " + std::to_string(header.record_count) + " records");
  if (int64_t{header.last_offset_delta} + 1 != header.record_count) {
    return refused("last offset delta " + std::to_string(header.last_offset_delta) + " with " +
                   std::to_string(header.record_count) + " records");
  }
  if (header.base_offset != Offset(0)) {
    return refused("base offset " + std::to_string(header.base_offset.value()) + " from a client");
  }
  if (header.has(protocol::kControlBit)) return refused("a control batch from a client");
  if (header.has(protocol::kTransactionalBit)) return refused("a transactional batch outside a transaction");
  if (header.has(protocol::kDeleteHorizonBit)) return refused("a delete horizon from a client");
  if (header.producer_id > kNoProducerId &&
      (header.base_sequence < Sequence(0) || header.producer_epoch < ProducerEpoch(0))) {
    return refused("producer " + std::to_string(header.producer_id.value()) + " without epoch and sequence");
  }
  if (header.producer_id < kNoProducerId) return refused("a negative producer id");
  TRY(protocol::codec_of(header.attributes));
  return ok();
}

Status check_times(const RecordFacts& facts, const LogConfig& config, Timestamp now_ms) {
  if (config.timestamp_type == TimestampType::log_append_time) return ok();
  const auto difference = [](Timestamp a, Timestamp b) {
    int64_t result;
    return __builtin_sub_overflow(a, b, &result) ? INT64_MAX : result;
  };
  if (facts.timestamp_max != kNoTimestamp && facts.timestamp_max > now_ms &&
      difference(facts.timestamp_max, now_ms) > config.timestamp_after_ms_max) {
    return Error{Errc::invalid_timestamp, "a record's timestamp " + std::to_string(facts.timestamp_max) +
                                              " is too far in the future (message.timestamp.after.max.ms)"};
  }
  if (facts.timestamp_min != kNoTimestamp && facts.timestamp_min < now_ms &&
      difference(now_ms, facts.timestamp_min) > config.timestamp_before_ms_max) {
    return Error{Errc::invalid_timestamp, "a record's timestamp " + std::to_string(facts.timestamp_min) +
                                              " is too far in the past (message.timestamp.before.max.ms)"};
  }
  return ok();
}

}  // namespace

Result<CheckedBatch> check_client_batch(Bytes batch, const LogConfig& config, Timestamp now_ms) {
  TRY_ASSIGN(const protocol::BatchHeader header, read_header(batch.view()));
  if (batch.size() > static_cast<size_t>(config.batch_bytes_max)) {
    return Error{Errc::message_too_large, "a batch of " + std::to_string(batch.size()) +
                                              " bytes, max.message.bytes is " + std::to_string(config.batch_bytes_max)};
  }
  if (batch.size() > static_cast<size_t>(config.segment_bytes_max)) {
    return Error{Errc::batch_larger_than_segment, "a batch of " + std::to_string(batch.size()) +
                                                      " bytes, segment.bytes is " +
                                                      std::to_string(config.segment_bytes_max)};
  }
  if (crc32c(batch.view().subspan(protocol::kAttributesAt)) != header.crc)
    return Error{Errc::corrupt, "batch checksum"};
  TRY(check_structure(header));
  TRY_ASSIGN(const RecordFacts facts, walk_batch(header, batch));
  if (config.compact && facts.keyless != 0) return refused("a compacted topic takes no record without a key");
  TRY(check_times(facts, config, now_ms));

  const bool by_log_time = config.timestamp_type == TimestampType::log_append_time;
  const auto attributes = static_cast<int16_t>(by_log_time ? header.attributes | protocol::kTimestampTypeBit
                                                           : header.attributes & ~protocol::kTimestampTypeBit);
  const Timestamp max_timestamp = by_log_time ? now_ms : facts.timestamp_max;
  if (attributes != header.attributes || max_timestamp != header.max_timestamp) {
    std::byte* bytes = batch.mutable_data();
    store_big_endian(bytes + protocol::kAttributesAt, attributes);
    store_big_endian(bytes + protocol::kMaxTimestampAt, max_timestamp);
    store_big_endian(bytes + protocol::kCrcAt, crc32c(batch.view().subspan(protocol::kAttributesAt)));
  }
  return CheckedBatch{std::move(batch), facts.count, by_log_time ? now_ms : kNoTimestamp};
}

}  // namespace millrace::storage
