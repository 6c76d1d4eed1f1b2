#include "broker/protocol/record_batch.h"

#include <algorithm>

#include "broker/base/crc32c.h"
#include "broker/base/endian.h"
#include "broker/base/ensure.h"
#include "broker/protocol/varint.h"

namespace millrace::protocol {
namespace {

Error broken_record(size_t at, std::string_view why) {
  return Error{Errc::invalid_record, "record at byte " + std::to_string(at) + " of the batch " + std::string(why)};
}

// A length and that many bytes; -1 is null.
bool read_nullable(BytesView bytes, size_t& at, std::optional<BytesView>& out) {
  int32_t size = 0;
  if (!read_varint(bytes, at, size) || size < -1) return false;
  if (size < 0) {
    out.reset();
    return true;
  }
  if (static_cast<size_t>(size) > bytes.size() - at) return false;
  out = bytes.subspan(at, static_cast<size_t>(size));
  at += static_cast<size_t>(size);
  return true;
}

void append_bytes(std::vector<std::byte>& out, BytesView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

void append_nullable(std::vector<std::byte>& out, std::optional<BytesView> bytes) {
  append_varlong(out, bytes ? static_cast<int64_t>(bytes->size()) : -1);
  if (bytes) append_bytes(out, *bytes);
}

std::optional<Bytes> copied(std::optional<BytesView> bytes) {
  if (!bytes) return std::nullopt;
  return Bytes::copy_of(*bytes);
}

}  // namespace

Result<RecordView> RecordCursor::next() {
  size_t at = at_;
  int32_t size = 0;
  if (!read_varint(records_, at, size) || size < 0 || static_cast<size_t>(size) > records_.size() - at) {
    return broken_record(at_, "has a length beyond the batch");
  }
  const BytesView body = records_.subspan(at, static_cast<size_t>(size));
  RecordView record;
  size_t in = 1;  // attributes, of which no version uses a bit
  if (body.empty() || !read_varlong(body, in, record.timestamp_delta) || !read_varint(body, in, record.offset_delta)) {
    return broken_record(at_, "ends within its timestamp or offset");
  }
  if (!read_nullable(body, in, record.key)) return broken_record(at_, "has a key of an impossible length");
  if (!read_nullable(body, in, record.value)) return broken_record(at_, "has a value of an impossible length");
  if (!read_varint(body, in, record.header_count) || record.header_count < 0)
    return broken_record(at_, "has an impossible header count");
  const size_t headers_at = in;
  for (int32_t i = 0; i < record.header_count; ++i) {
    std::optional<BytesView> name;
    std::optional<BytesView> value;
    if (!read_nullable(body, in, name) || !name || !read_nullable(body, in, value))
      return broken_record(at_, "has a malformed header");
  }
  if (in != body.size()) return broken_record(at_, "is longer than its fields");
  record.headers = body.subspan(headers_at);
  at_ = at + body.size();
  return record;
}

Result<std::vector<RecordHeader>> read_headers(const RecordView& record) {
  std::vector<RecordHeader> headers;
  size_t at = 0;
  for (int32_t i = 0; i < record.header_count; ++i) {
    std::optional<BytesView> header_name;
    std::optional<BytesView> value;
    if (!read_nullable(record.headers, at, header_name) || !header_name || !read_nullable(record.headers, at, value)) {
      return broken_record(at, "has a malformed header");
    }
    headers.push_back({*header_name, value});
  }
  return headers;
}

Result<BatchHeader> check_batch(BytesView bytes) {
  if (bytes.size() < kBatchHeaderBytes)
    return Error{Errc::corrupt, "a batch of " + std::to_string(bytes.size()) + " bytes has no whole header"};
  const BatchHeader header = BatchHeader::decode(bytes.data());
  if (header.magic != kMagic) return Error{Errc::corrupt, "batch of magic " + std::to_string(header.magic)};
  if (header.length < static_cast<int32_t>(kBatchHeaderBytes - kLengthExcludes) ||
      header.total_bytes() > bytes.size()) {
    return Error{Errc::corrupt, "batch length " + std::to_string(header.length)};
  }
  if (crc32c(bytes.first(header.total_bytes()).subspan(kAttributesAt)) != header.crc)
    return Error{Errc::corrupt, "batch CRC does not match"};
  if (!header.is_plausible())
    return Error{Errc::invalid_record, "batch with " + std::to_string(header.record_count) + " records"};
  return header;
}

Result<Bytes> records_of(const BatchHeader& header, const Bytes& batch, size_t bytes_max) {
  const Bytes payload = batch.slice(kBatchHeaderBytes, header.total_bytes() - kBatchHeaderBytes);
  TRY_ASSIGN(const Codec codec, codec_of(header.attributes));
  if (codec == Codec::none) return payload;
  return decompress(codec, payload.view(), bytes_max);
}

Result<std::vector<Record>> read_batch(const Bytes& batch, size_t bytes_max) {
  TRY_ASSIGN(const BatchHeader header, check_batch(batch.view()));
  TRY_ASSIGN(const Bytes encoded, records_of(header, batch, bytes_max));
  RecordCursor cursor(encoded.view());
  std::vector<Record> records;
  for (int32_t i = 0; i < header.record_count; ++i) {
    TRY_ASSIGN(const RecordView view, cursor.next());
    Record record;
    record.offset = header.base_offset.next(view.offset_delta);
    record.timestamp =
        header.has(kTimestampTypeBit) ? header.max_timestamp : header.base_timestamp + view.timestamp_delta;
    record.key = copied(view.key);
    record.value = copied(view.value);
    TRY_ASSIGN(const std::vector<RecordHeader> headers, read_headers(view));
    for (const RecordHeader& one : headers)
      record.headers.push_back({std::string(as_text(one.name)), copied(one.value)});
    records.push_back(std::move(record));
  }
  if (!cursor.at_end()) return Error{Errc::invalid_record, "bytes follow the last record of the batch"};
  return records;
}

Result<std::vector<Record>> read_batches(const Bytes& batches, size_t bytes_max) {
  std::vector<Record> all;
  for (size_t at = 0; batches.size() - at >= kBatchHeaderBytes;) {
    const BatchHeader header = BatchHeader::decode(batches.data() + at);
    if (header.length > 0 && header.total_bytes() > batches.size() - at) break;  // cut by the fetch's limit
    const Bytes rest = batches.slice(at, batches.size() - at);
    TRY_ASSIGN(std::vector<Record> records, read_batch(rest, bytes_max));
    if (!header.has(kControlBit)) std::move(records.begin(), records.end(), std::back_inserter(all));
    at += header.total_bytes();
  }
  return all;
}

RecordBatchBuilder& RecordBatchBuilder::producer(ProducerId id, ProducerEpoch epoch, Sequence base_sequence) {
  producer_id_ = id;
  producer_epoch_ = epoch;
  base_sequence_ = base_sequence;
  return *this;
}

RecordBatchBuilder& RecordBatchBuilder::attributes(int16_t bits) {
  ENSURE((bits & kCodecMask) == 0);
  attributes_ = bits;
  return *this;
}

RecordBatchBuilder& RecordBatchBuilder::add(Timestamp timestamp, std::optional<BytesView> key,
                                            std::optional<BytesView> value, const std::vector<RecordHeader>& headers) {
  if (count_ == 0) base_timestamp_ = timestamp;
  max_timestamp_ = std::max(max_timestamp_, timestamp);
  std::vector<std::byte> body(1);  // attributes
  append_varlong(body, timestamp - base_timestamp_);
  append_varlong(body, count_);
  append_nullable(body, key);
  append_nullable(body, value);
  append_varlong(body, static_cast<int64_t>(headers.size()));
  for (const RecordHeader& header : headers) {
    append_nullable(body, header.name);
    append_nullable(body, header.value);
  }
  append_varlong(records_, static_cast<int64_t>(body.size()));
  append_bytes(records_, body);
  ++count_;
  return *this;
}

Bytes RecordBatchBuilder::build() {
  ENSURE(count_ > 0);
  Result<Bytes> payload =
      codec_ == Codec::none ? Result<Bytes>(Bytes::adopt(std::move(records_))) : compress(codec_, records_);
  ENSURE(payload.has_value());
  const size_t size = kBatchHeaderBytes + payload->size();
  Bytes batch = Bytes::uninitialized(size);
  std::byte* at = batch.mutable_data();
  store_big_endian<int64_t>(at + kBaseOffsetAt, 0);
  store_big_endian<int32_t>(at + kLengthAt, static_cast<int32_t>(size - kLengthExcludes));
  store_big_endian<int32_t>(at + kLeaderEpochAt, -1);
  store_big_endian<int8_t>(at + kMagicAt, kMagic);
  store_big_endian<int16_t>(at + kAttributesAt, static_cast<int16_t>(attributes_ | static_cast<int16_t>(codec_)));
  store_big_endian<int32_t>(at + kLastOffsetDeltaAt, count_ - 1);
  store_big_endian<int64_t>(at + kBaseTimestampAt, base_timestamp_);
  store_big_endian<int64_t>(at + kMaxTimestampAt, max_timestamp_);
  store_big_endian<int64_t>(at + kProducerIdAt, producer_id_.value());
  store_big_endian<int16_t>(at + kProducerEpochAt, producer_epoch_.value());
  store_big_endian<int32_t>(at + kBaseSequenceAt, base_sequence_.value());
  store_big_endian<int32_t>(at + kRecordCountAt, count_);
  std::memcpy(at + kBatchHeaderBytes, payload->data(), payload->size());
  store_big_endian<uint32_t>(at + kCrcAt, crc32c(batch.view().subspan(kAttributesAt)));
  *this = RecordBatchBuilder(codec_);
  return batch;
}

void set_base_offset(std::byte* batch, Offset offset) { store_big_endian(batch + kBaseOffsetAt, offset.value()); }

void set_leader_epoch(std::byte* batch, LeaderEpoch epoch) { store_big_endian(batch + kLeaderEpochAt, epoch.value()); }

void set_log_append_time(std::byte* batch, size_t size, Timestamp time) {
  const int16_t attributes = load_big_endian<int16_t>(batch + kAttributesAt);
  store_big_endian(batch + kAttributesAt, static_cast<int16_t>(attributes | kTimestampTypeBit));
  store_big_endian(batch + kMaxTimestampAt, time);
  store_big_endian(batch + kCrcAt, crc32c(BytesView(batch, size).subspan(kAttributesAt)));
}

}  // namespace millrace::protocol
