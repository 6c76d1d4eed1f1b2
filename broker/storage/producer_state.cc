#include "broker/storage/producer_state.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "broker/base/crc32c.h"
#include "broker/base/endian.h"

namespace millrace::storage {

namespace {

constexpr int16_t kVersion = 1;
constexpr size_t kVersionAt = 0, kSnapshotCrcAt = 2, kCountAt = 6, kEntriesAt = 10;
constexpr size_t kEntryIdAt = 0, kEntryEpochAt = 8, kEntrySequenceAt = 10, kEntryOffsetAt = 14, kEntryDeltaAt = 22,
                 kEntryTimeAt = 26, kEntryCoordinatorAt = 34, kEntryTransactionAt = 38, kEntryBytes = 46;
static_assert(kEntryBytes == kEntryTransactionAt + sizeof(int64_t));

// Sequences wrap from INT32_MAX to 0.
Sequence advance(Sequence from, int32_t by) {
  constexpr int64_t kModulus = int64_t{std::numeric_limits<int32_t>::max()} + 1;
  return Sequence(static_cast<int32_t>((int64_t{from.value()} + by + kModulus) % kModulus));
}

Sequence last_sequence(const protocol::BatchHeader& header) {
  return advance(header.base_sequence, header.last_offset_delta);
}

std::string describe(const protocol::BatchHeader& header) {
  return "producer " + std::to_string(header.producer_id.value()) + ", epoch " +
         std::to_string(header.producer_epoch.value()) + ", first sequence " +
         std::to_string(header.base_sequence.value());
}

}  // namespace

bool is_idempotent(const protocol::BatchHeader& header) {
  return header.producer_id != kNoProducerId && !header.has(protocol::kControlBit) &&
         header.base_sequence != kNoSequence;
}

std::optional<Sequence> ProducerState::next_sequence(ProducerId id, ProducerEpoch epoch) const {
  const auto found = producers_.find(id);
  if (found == producers_.end()) return std::nullopt;
  const Producer& producer = found->second;
  if (epoch < producer.epoch) return kNoSequence;
  return epoch > producer.epoch ? Sequence(0) : advance(producer.newest().last_sequence, 1);
}

Result<std::optional<ProducerState::Batch>> ProducerState::check(const protocol::BatchHeader& header) const {
  std::optional<Batch> none;
  if (!is_idempotent(header)) return none;
  const auto found = producers_.find(header.producer_id);
  if (found == producers_.end()) return none;  // new here, or forgotten: any sequence may come first
  const Producer& producer = found->second;
  if (header.producer_epoch < producer.epoch) {
    return Error{Errc::invalid_producer_epoch,
                 describe(header) + ": epoch " + std::to_string(producer.epoch.value()) + " has written"};
  }
  if (header.producer_epoch > producer.epoch) {
    if (header.base_sequence == Sequence(0)) return none;
    return Error{Errc::out_of_order_sequence, describe(header) + ": a new epoch starts at sequence 0"};
  }
  for (size_t i = 0; i < producer.count; ++i) {
    const Batch& batch = producer.batches[i];
    if (batch.first_sequence == header.base_sequence && batch.last_sequence == last_sequence(header)) {
      return std::optional(batch);
    }
  }
  const Sequence expected = advance(producer.newest().last_sequence, 1);
  if (header.base_sequence == expected) return none;
  return Error{Errc::out_of_order_sequence, describe(header) + ", expected " + std::to_string(expected.value())};
}

void ProducerState::add(Producer& producer, const Batch& batch) {
  if (producer.count == kBatchesPerProducer) {
    std::move(producer.batches.begin() + 1, producer.batches.end(), producer.batches.begin());
    --producer.count;
  }
  producer.batches[producer.count++] = batch;
}

void ProducerState::update(const protocol::BatchHeader& header, Timestamp now_ms) {
  if (!is_idempotent(header)) return;
  const auto [found, added] = producers_.try_emplace(header.producer_id);
  Producer& producer = found->second;
  if (added || producer.epoch != header.producer_epoch) {
    producer.epoch = header.producer_epoch;
    producer.count = 0;
  }
  producer.seen_ms = now_ms;
  add(producer, {header.base_sequence, last_sequence(header), header.last_offset(), header.last_offset_delta,
                 header.max_timestamp});
}

void ProducerState::expire(Timestamp now_ms, int64_t expiration_ms) {
  std::erase_if(producers_, [&](const auto& entry) { return now_ms - entry.second.seen_ms >= expiration_ms; });
}

void ProducerState::limit(size_t producers_max) {
  if (producers_.size() <= producers_max) return;
  // An eighth more than needed, so that the search is not repeated for every new producer.
  const size_t excess = std::min(producers_.size(), producers_.size() - producers_max + producers_max / 8);
  std::vector<std::pair<Timestamp, ProducerId>> silent;
  silent.reserve(producers_.size());
  for (const auto& [id, producer] : producers_) silent.emplace_back(producer.seen_ms, id);
  std::nth_element(silent.begin(), silent.begin() + static_cast<ptrdiff_t>(excess - 1), silent.end());
  for (size_t i = 0; i < excess; ++i) producers_.erase(silent[i].second);
}

std::vector<Offset> ProducerState::batch_ends() const {
  std::vector<Offset> ends;
  for (const auto& [id, producer] : producers_) {
    for (size_t i = 0; i < producer.count; ++i) ends.push_back(producer.batches[i].last_offset);
  }
  std::sort(ends.begin(), ends.end());
  return ends;
}

void ProducerState::truncate_end(Offset end) {
  for (auto& [id, producer] : producers_) {
    while (producer.count > 0 && producer.newest().last_offset >= end) --producer.count;
  }
  std::erase_if(producers_, [](const auto& entry) { return entry.second.count == 0; });
}

std::string ProducerState::format() const {
  size_t entries = 0;
  for (const auto& [id, producer] : producers_) entries += producer.count;
  std::vector<std::byte> bytes(kEntriesAt + entries * kEntryBytes);
  store_big_endian(bytes.data() + kVersionAt, kVersion);
  store_big_endian(bytes.data() + kCountAt, static_cast<int32_t>(entries));
  std::byte* at = bytes.data() + kEntriesAt;
  for (const auto& [id, producer] : producers_) {
    for (size_t i = 0; i < producer.count; ++i, at += kEntryBytes) {
      const Batch& batch = producer.batches[i];
      store_big_endian(at + kEntryIdAt, id.value());
      store_big_endian(at + kEntryEpochAt, producer.epoch.value());
      store_big_endian(at + kEntrySequenceAt, batch.last_sequence.value());
      store_big_endian(at + kEntryOffsetAt, batch.last_offset.value());
      store_big_endian(at + kEntryDeltaAt, batch.offset_delta);
      store_big_endian(at + kEntryTimeAt, batch.timestamp);
      store_big_endian(at + kEntryCoordinatorAt, int32_t{-1});
      store_big_endian(at + kEntryTransactionAt, int64_t{-1});
    }
  }
  store_big_endian(bytes.data() + kSnapshotCrcAt, crc32c(BytesView(bytes).subspan(kCountAt)));
  return std::string(as_text(bytes));
}

Result<ProducerState> ProducerState::parse(std::string_view snapshot, Timestamp now_ms) {
  const BytesView bytes = as_bytes(snapshot);
  if (bytes.size() < kEntriesAt || load_big_endian<int16_t>(bytes.data() + kVersionAt) != kVersion) {
    return Error{Errc::malformed, "producer snapshot: size or version"};
  }
  const auto entries = load_big_endian<int32_t>(bytes.data() + kCountAt);
  if (entries < 0 || bytes.size() != kEntriesAt + static_cast<size_t>(entries) * kEntryBytes) {
    return Error{Errc::malformed, "producer snapshot: number of entries"};
  }
  if (load_big_endian<uint32_t>(bytes.data() + kSnapshotCrcAt) != crc32c(bytes.subspan(kCountAt))) {
    return Error{Errc::corrupt, "producer snapshot: checksum"};
  }
  ProducerState state;
  const std::byte* at = bytes.data() + kEntriesAt;
  for (int32_t i = 0; i < entries; ++i, at += kEntryBytes) {
    const ProducerEpoch epoch(load_big_endian<int16_t>(at + kEntryEpochAt));
    Batch batch;
    batch.last_sequence = Sequence(load_big_endian<int32_t>(at + kEntrySequenceAt));
    batch.last_offset = Offset(load_big_endian<int64_t>(at + kEntryOffsetAt));
    batch.offset_delta = load_big_endian<int32_t>(at + kEntryDeltaAt);
    batch.timestamp = load_big_endian<int64_t>(at + kEntryTimeAt);
    batch.first_sequence = advance(batch.last_sequence, -batch.offset_delta);
    Producer& producer = state.producers_[ProducerId(load_big_endian<int64_t>(at + kEntryIdAt))];
    if (producer.epoch != epoch) producer.count = 0;
    producer.epoch = epoch;
    producer.seen_ms = now_ms;
    add(producer, batch);
  }
  return state;
}

}  // namespace millrace::storage
