#include "broker/storage/batch_filter.h"

#include <algorithm>
#include <span>

#include "broker/base/crc32c.h"
#include "broker/protocol/record_batch.h"
#include "broker/protocol/varint.h"

namespace millrace::storage {

namespace {

using protocol::BatchHeader;
using protocol::RecordView;

constexpr int64_t kHorizonMsMax = INT64_MAX / 4;  // "for ever", and time stays a number that can be reckoned with

// A record that stays.
struct Kept {
  Offset offset;
  Timestamp timestamp = kNoTimestamp;
  RecordView view;
};

void append_nullable(std::vector<std::byte>& out, std::optional<BytesView> bytes) {
  protocol::append_varlong(out, bytes ? static_cast<int64_t>(bytes->size()) : -1);
  if (bytes) out.insert(out.end(), bytes->begin(), bytes->end());
}

Bytes finish(const BatchHeader& header, BytesView payload) {
  const size_t size = protocol::kBatchHeaderBytes + payload.size();
  Bytes batch = Bytes::uninitialized(size);
  std::byte* at = batch.mutable_data();
  store_big_endian(at + protocol::kBaseOffsetAt, header.base_offset.value());
  store_big_endian(at + protocol::kLengthAt, static_cast<int32_t>(size - protocol::kLengthExcludes));
  store_big_endian(at + protocol::kLeaderEpochAt, header.leader_epoch.value());
  store_big_endian(at + protocol::kMagicAt, protocol::kMagic);
  store_big_endian(at + protocol::kAttributesAt, header.attributes);
  store_big_endian(at + protocol::kLastOffsetDeltaAt, header.last_offset_delta);
  store_big_endian(at + protocol::kBaseTimestampAt, header.base_timestamp);
  store_big_endian(at + protocol::kMaxTimestampAt, header.max_timestamp);
  store_big_endian(at + protocol::kProducerIdAt, header.producer_id.value());
  store_big_endian(at + protocol::kProducerEpochAt, header.producer_epoch.value());
  store_big_endian(at + protocol::kBaseSequenceAt, header.base_sequence.value());
  store_big_endian(at + protocol::kRecordCountAt, header.record_count);
  if (!payload.empty()) std::memcpy(at + protocol::kBatchHeaderBytes, payload.data(), payload.size());
  store_big_endian(at + protocol::kCrcAt, crc32c(batch.view().subspan(protocol::kAttributesAt)));
  return batch;
}

// Writes the records that stay behind one header, and halves of them when that becomes larger than it was and than is
// allowed (a producer may compress better than this library's default).
class Rewriter {
 public:
  Rewriter(const BatchHeader& source, Timestamp base_timestamp, int16_t attributes, size_t bytes_max)
      : source_(source), base_timestamp_(base_timestamp), attributes_(attributes), bytes_max_(bytes_max) {}

  Status write(std::span<const Kept> records, Offset first, Offset last, std::vector<Bytes>& out) {
    BatchHeader header = source_;
    header.base_offset = first;
    header.last_offset_delta = static_cast<int32_t>(last.value() - first.value());
    header.base_timestamp = base_timestamp_;
    header.attributes = attributes_;
    header.record_count = static_cast<int32_t>(records.size());
    if (source_.base_sequence != kNoSequence) header.base_sequence = sequence_at(first);
    if (!source_.has(protocol::kTimestampTypeBit)) {
      header.max_timestamp = kNoTimestamp;
      for (const Kept& record : records) header.max_timestamp = std::max(header.max_timestamp, record.timestamp);
    }
    TRY_ASSIGN(const Bytes payload, encode(records, first));
    if (protocol::kBatchHeaderBytes + payload.size() > bytes_max_ && records.size() > 1) {
      const size_t half = records.size() / 2;
      TRY(write(records.first(half), first, records[half].offset.previous(), out));
      return write(records.subspan(half), records[half].offset, last, out);
    }
    out.push_back(finish(header, payload.view()));
    return ok();
  }

 private:
  Result<Bytes> encode(std::span<const Kept> records, Offset first) {
    std::vector<std::byte> plain;
    for (const Kept& record : records) {
      body_.assign(1, std::byte{0});  // attributes
      protocol::append_varlong(body_, record.timestamp - base_timestamp_);
      protocol::append_varlong(body_, record.offset.value() - first.value());
      append_nullable(body_, record.view.key);
      append_nullable(body_, record.view.value);
      protocol::append_varlong(body_, record.view.header_count);
      body_.insert(body_.end(), record.view.headers.begin(), record.view.headers.end());
      protocol::append_varlong(plain, static_cast<int64_t>(body_.size()));
      plain.insert(plain.end(), body_.begin(), body_.end());
    }
    TRY_ASSIGN(const protocol::Codec codec, protocol::codec_of(source_.attributes));
    if (codec == protocol::Codec::none) return Bytes::adopt(std::move(plain));
    return protocol::compress(codec, plain);
  }
  Sequence sequence_at(Offset offset) const {  // they wrap from INT32_MAX to 0
    constexpr int64_t kModulus = int64_t{INT32_MAX} + 1;
    const int64_t sequence = source_.base_sequence.value() + (offset.value() - source_.base_offset.value());
    return Sequence(static_cast<int32_t>(sequence % kModulus));
  }

  const BatchHeader& source_;
  const Timestamp base_timestamp_;
  const int16_t attributes_;
  const size_t bytes_max_;
  std::vector<std::byte> body_;
};

}  // namespace

Result<FilteredBatch> filter_batch(const BatchHeader& header, const Bytes& batch, const FilterRule& rule) {
  FilteredBatch result;
  if (header.has(protocol::kControlBit) || header.base_offset >= rule.below) return result;
  if (header.record_count == 0) {
    result.kind = FilteredBatch::Kind::emptied;
    return result;
  }
  TRY_ASSIGN(const Bytes records, protocol::records_of(header, batch));
  const bool has_horizon = header.has(protocol::kDeleteHorizonBit);
  const bool horizon_passed = has_horizon && rule.now_ms >= header.base_timestamp;
  bool starts_horizon = false;
  std::vector<Kept> kept;
  protocol::RecordCursor cursor(records.view());
  for (int32_t i = 0; i < header.record_count; ++i) {
    TRY_ASSIGN(RecordView view, cursor.next());
    const Offset offset = header.base_offset.next(view.offset_delta);
    if (view.offset_delta < 0 || view.offset_delta > header.last_offset_delta ||
        (!kept.empty() && offset <= kept.back().offset)) {
      return Error{Errc::invalid_record, "a record lies outside its batch's offsets"};
    }
    bool stays = true;
    if (offset < rule.below) {
      const bool is_newest = view.key && rule.newest.find(*view.key) <= offset;
      stays = is_newest && (view.value || !horizon_passed);
      result.keyless += !view.key;
      starts_horizon |= stays && !view.value && !has_horizon;
    }
    if (!stays) {
      ++result.records_removed;
      continue;
    }
    kept.push_back({offset, header.base_timestamp + view.timestamp_delta, view});
  }
  if (kept.empty()) {
    result.kind = FilteredBatch::Kind::emptied;
    return result;
  }
  if (result.records_removed == 0 && !starts_horizon) return result;
  result.kind = FilteredBatch::Kind::rewritten;
  const Timestamp base_timestamp =
      starts_horizon ? rule.now_ms + std::min(rule.delete_retention_ms, kHorizonMsMax) : header.base_timestamp;
  const auto attributes =
      static_cast<int16_t>(starts_horizon ? header.attributes | protocol::kDeleteHorizonBit : header.attributes);
  Rewriter rewriter(header, base_timestamp, attributes, std::max(rule.batch_bytes_max, batch.size()));
  TRY(rewriter.write(kept, header.base_offset, header.last_offset(), result.batches));
  return result;
}

Bytes make_empty_batch(Offset first, Offset last, LeaderEpoch epoch) {
  BatchHeader header;
  header.base_offset = first;
  header.last_offset_delta = static_cast<int32_t>(last.value() - first.value());
  header.leader_epoch = epoch;
  return finish(header, {});
}

Bytes make_empty_batch(const BatchHeader& like) {
  BatchHeader header = like;
  header.attributes = static_cast<int16_t>(like.attributes & ~(protocol::kCodecMask | protocol::kDeleteHorizonBit));
  header.base_timestamp = like.max_timestamp;
  header.record_count = 0;
  return finish(header, {});
}

}  // namespace millrace::storage
