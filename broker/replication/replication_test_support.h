#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/base/bytes.h"
#include "broker/base/crc32c.h"
#include "broker/base/endian.h"
#include "broker/io/sim/sim_clock.h"
#include "broker/io/sim/sim_file_system.h"
#include "broker/replication/partition.h"
#include "broker/storage/file_cache.h"

// For tests of this folder and of those that use it.
namespace millrace::replication::testing {

struct BatchSpec {
  std::vector<std::string> values;
  std::vector<std::string> keys = {};  // of each; none: null keys
  Timestamp first_timestamp = io::sim::SimClock::kStartWallMs;
  ProducerId producer = kNoProducerId;
  ProducerEpoch producer_epoch = kNoProducerEpoch;
  Sequence first_sequence = kNoSequence;
  int16_t attributes = 0;
};

// An uncompressed record batch as a producer sends it: timestamps one millisecond apart.
inline Bytes make_batch(const BatchSpec& spec) {
  std::vector<std::byte> out(61);
  const auto put = [&out](int64_t value) {
    uint64_t zigzag = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
    for (; zigzag >= 0x80; zigzag >>= 7) out.push_back(static_cast<std::byte>((zigzag & 0x7f) | 0x80));
    out.push_back(static_cast<std::byte>(zigzag));
  };
  for (size_t i = 0; i < spec.values.size(); ++i) {
    std::vector<std::byte> outer = std::exchange(out, {});
    out.push_back(std::byte{0});
    put(static_cast<int64_t>(i));
    put(static_cast<int64_t>(i));
    put(i < spec.keys.size() ? static_cast<int64_t>(spec.keys[i].size()) : -1);
    if (i < spec.keys.size()) {
      const BytesView key = as_bytes(spec.keys[i]);
      out.insert(out.end(), key.begin(), key.end());
    }
    put(static_cast<int64_t>(spec.values[i].size()));
    const BytesView value = as_bytes(spec.values[i]);
    out.insert(out.end(), value.begin(), value.end());
    put(0);
    const std::vector<std::byte> record = std::exchange(out, std::move(outer));
    put(static_cast<int64_t>(record.size()));
    out.insert(out.end(), record.begin(), record.end());
  }
  const auto count = static_cast<int32_t>(spec.values.size());
  std::byte* header = out.data();
  store_big_endian<int64_t>(header, 0);
  store_big_endian(header + 8, static_cast<int32_t>(out.size() - 12));
  store_big_endian<int32_t>(header + 12, -1);
  header[16] = std::byte{2};
  store_big_endian(header + 21, spec.attributes);
  store_big_endian(header + 23, count - 1);
  store_big_endian(header + 27, spec.first_timestamp);
  store_big_endian(header + 35, spec.first_timestamp + count - 1);
  store_big_endian(header + 43, spec.producer.value());
  store_big_endian(header + 51, spec.producer_epoch.value());
  store_big_endian(header + 53, spec.first_sequence.value());
  store_big_endian(header + 57, count);
  store_big_endian(header + 17, crc32c(BytesView(out).subspan(21)));
  return Bytes::adopt(std::move(out));
}

inline Bytes make_batch(std::vector<std::string> values) { return make_batch(BatchSpec{.values = std::move(values)}); }

// The bytes of a read, wherever they are.
inline Bytes bytes_of(const storage::ReadInfo& read) {
  if (const Bytes* bytes = std::get_if<Bytes>(&read.data)) return *bytes;
  const auto& range = std::get<SourceRange>(read.data);
  if (range.size == 0) return {};
  Bytes bytes = Bytes::uninitialized(range.size);
  const Result<size_t> got = range.source->read_at(range.position, {bytes.mutable_data(), bytes.size()});
  ENSURE(got && *got == range.size);
  return bytes;
}

// The values of the records of uncompressed batches made by make_batch().
inline std::vector<std::string> values_of(const Bytes& batches) {
  std::vector<std::string> values;
  const std::byte* at = batches.data();
  const auto varint = [&at] {
    uint64_t zigzag = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<uint64_t>(*at++);
      zigzag |= (byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) break;
    }
    return static_cast<int64_t>(zigzag >> 1) ^ -static_cast<int64_t>(zigzag & 1);
  };
  const std::byte* end = at + batches.size();
  while (at < end) {
    const std::byte* next = at + 12 + load_big_endian<int32_t>(at + 8);
    const auto count = load_big_endian<int32_t>(at + 57);
    at += 61;
    for (int32_t i = 0; i < count; ++i) {
      varint();
      ++at;
      varint();
      varint();
      if (const int64_t key = varint(); key > 0) at += key;
      const auto size = static_cast<size_t>(varint());
      values.emplace_back(as_text({at, size}));
      at += size;
      varint();
    }
    at = next;
  }
  return values;
}

// A disk, a clock that stands still and a flusher that runs when told.
struct Machine {
  explicit Machine(uint64_t seed = 1) : fs(seed) { ENSURE(fs.create_directories("/data")); }

  io::sim::SimClock clock;
  io::sim::SimFileSystem fs;
  storage::FileCache files{fs, 100};
  storage::Flusher flusher{fs, clock, 0};
};

inline metadata::PartitionImage led_by(BrokerId leader, LeaderEpoch epoch = LeaderEpoch{0}) {
  return {.leader = leader, .leader_epoch = epoch, .partition_epoch = 0, .replicas = {leader}, .isr = {leader}};
}

}  // namespace millrace::replication::testing
