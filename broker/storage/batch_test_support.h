#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "broker/base/crc32c.h"
#include "broker/io/sim/sim_clock.h"
#include "broker/protocol/batch_header.h"

namespace millrace::storage {

// Batches of text records for tests: made as a client makes them, and taken apart again.

inline void put_zigzag(std::vector<std::byte>& out, int64_t number) {
  uint64_t value = (static_cast<uint64_t>(number) << 1) ^ static_cast<uint64_t>(number >> 63);
  for (; value >= 0x80; value >>= 7) out.push_back(std::byte{static_cast<uint8_t>(value | 0x80)});
  out.push_back(std::byte{static_cast<uint8_t>(value)});
}

struct BatchSpec {
  std::vector<std::string> values;
  Timestamp time = io::sim::SimClock::kStartWallMs;
  std::vector<Timestamp> times = {};  // of each record, instead
  int64_t producer = -1;
  int16_t epoch = -1;
  int32_t sequence = -1;
  int16_t attributes = 0;
};

// A batch as a client sends it: base offset 0, no leader epoch, checksum right.
inline Bytes make_batch(const BatchSpec& spec) {
  std::vector<std::byte> bytes(protocol::kBatchHeaderBytes);
  const auto time_of = [&](size_t i) { return i < spec.times.size() ? spec.times[i] : spec.time; };
  Timestamp max_time = kNoTimestamp;
  for (size_t i = 0; i < spec.values.size(); ++i) {
    std::vector<std::byte> record{std::byte{0}};
    put_zigzag(record, time_of(i) - time_of(0));
    put_zigzag(record, static_cast<int64_t>(i));
    put_zigzag(record, -1);  // no key
    put_zigzag(record, static_cast<int64_t>(spec.values[i].size()));
    const BytesView value = as_bytes(spec.values[i]);
    record.insert(record.end(), value.begin(), value.end());
    put_zigzag(record, 0);  // no headers
    put_zigzag(bytes, static_cast<int64_t>(record.size()));
    bytes.insert(bytes.end(), record.begin(), record.end());
    max_time = std::max(max_time, time_of(i));
  }
  std::byte* at = bytes.data();
  const auto count = static_cast<int32_t>(spec.values.size());
  store_big_endian(at + protocol::kBaseOffsetAt, int64_t{0});
  store_big_endian(at + protocol::kLengthAt, static_cast<int32_t>(bytes.size() - protocol::kLengthExcludes));
  store_big_endian(at + protocol::kLeaderEpochAt, int32_t{-1});
  store_big_endian(at + protocol::kMagicAt, int8_t{2});
  store_big_endian(at + protocol::kAttributesAt, spec.attributes);
  store_big_endian(at + protocol::kLastOffsetDeltaAt, count - 1);
  store_big_endian(at + protocol::kBaseTimestampAt, spec.values.empty() ? kNoTimestamp : time_of(0));
  store_big_endian(at + protocol::kMaxTimestampAt, max_time);
  store_big_endian(at + protocol::kProducerIdAt, spec.producer);
  store_big_endian(at + protocol::kProducerEpochAt, spec.epoch);
  store_big_endian(at + protocol::kBaseSequenceAt, spec.sequence);
  store_big_endian(at + protocol::kRecordCountAt, count);
  store_big_endian(at + protocol::kCrcAt, crc32c(BytesView(bytes).subspan(protocol::kAttributesAt)));
  return Bytes::adopt(std::move(bytes));
}

// Changes one field of a batch; `fix_crc` makes the checksum right again.
template <class Int>
Bytes with_field(Bytes batch, size_t at, Int value, bool fix_crc = true) {
  Bytes copy = Bytes::copy_of(batch.view());
  store_big_endian(copy.mutable_data() + at, value);
  if (fix_crc)
    store_big_endian(copy.mutable_data() + protocol::kCrcAt, crc32c(copy.view().subspan(protocol::kAttributesAt)));
  return copy;
}

using Values = std::map<int64_t, std::string>;  // offset -> value

inline int64_t take_zigzag(BytesView& from) {
  uint64_t value = 0;
  for (int shift = 0; !from.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(from[0]);
    from = from.subspan(1);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

// The records of stored batches; a wrong checksum is a test failure.
inline void add_values(BytesView batches, Values& values) {
  while (!batches.empty()) {
    ASSERT_GE(batches.size(), protocol::kBatchHeaderBytes) << "a partial batch was served";
    const protocol::BatchHeader header = protocol::BatchHeader::decode(batches.data());
    ASSERT_LE(header.total_bytes(), batches.size()) << "a partial batch was served";
    const BytesView batch = batches.first(header.total_bytes());
    ASSERT_EQ(crc32c(batch.subspan(protocol::kAttributesAt)), header.crc) << "a damaged batch was served";
    BytesView records = batch.subspan(protocol::kBatchHeaderBytes);
    for (int32_t i = 0; i < header.record_count; ++i) {
      take_zigzag(records);
      records = records.subspan(1);
      take_zigzag(records);
      const int64_t delta = take_zigzag(records);
      take_zigzag(records);
      const auto size = static_cast<size_t>(take_zigzag(records));
      values[header.base_offset.value() + delta] = std::string(as_text(records.first(size)));
      records = records.subspan(size);
      take_zigzag(records);
    }
    batches = batches.subspan(header.total_bytes());
  }
}

}  // namespace millrace::storage
