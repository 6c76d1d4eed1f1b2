#include <algorithm>

#include "broker/storage/segment.h"

namespace millrace::storage {

using Found = BatchScanner::Found;

namespace {

Error damage(const Segment& segment, const BatchScanner& scanner) {
  return {Errc::corrupt, segment.path() + " at byte " + std::to_string(scanner.position()) + ": " + scanner.reason()};
}

}  // namespace

Result<BatchScanner> Segment::scanner_for(const io::File& file, Offset offset) {
  TRY(check_indexes());
  TRY_ASSIGN(const auto entry, offsets_.find(offset));
  if (entry && entry->position + protocol::kBatchHeaderBytes <= size_) {
    // The entry names the batch's last offset; its base has to be read from it.
    std::array<std::byte, protocol::kBatchHeaderBytes> bytes;
    TRY_ASSIGN(const size_t got, file.read_at(entry->position, bytes));
    const protocol::BatchHeader header = protocol::BatchHeader::decode(bytes.data());
    if (got == bytes.size() && header.is_plausible() && header.last_offset() == entry->last_offset) {
      return BatchScanner(file, entry->position, size_, header.base_offset, BatchScanner::kSmallChunkBytes);
    }
  }
  return BatchScanner(file, 0, size_, base_, BatchScanner::kSmallChunkBytes);
}

Result<Segment::Location> Segment::locate(Offset offset) {
  ENSURE(offset >= base_ && offset < end_);
  TRY_ASSIGN(const auto file, log_.open());
  TRY_ASSIGN(BatchScanner scanner, scanner_for(*file, offset));
  while (true) {
    TRY_ASSIGN(const Found found, scanner.next(Verify::header));
    if (found == Found::damage) return damage(*this, scanner);
    if (found == Found::end)
      return Error{Errc::corrupt, path() + " ends before offset " + std::to_string(offset.value())};
    const protocol::BatchHeader& header = scanner.header();
    if (header.next_offset() > offset) {
      return Location{scanner.position(), header.base_offset, header.total_bytes(), header.next_offset()};
    }
  }
}

Result<uint64_t> Segment::boundary_before(uint64_t from, Offset at, uint64_t limit) {
  if (limit >= size_) return size_;
  TRY_ASSIGN(const auto file, log_.open());
  TRY(check_indexes());
  TRY_ASSIGN(const auto entry, offsets_.find_position(limit));
  if (entry && entry->position > from) {
    std::array<std::byte, protocol::kBatchHeaderBytes> bytes;
    TRY_ASSIGN(const size_t got, file->read_at(entry->position, bytes));
    const protocol::BatchHeader header = protocol::BatchHeader::decode(bytes.data());
    if (got == bytes.size() && header.is_plausible() && header.last_offset() == entry->last_offset) {
      from = entry->position;
      at = header.base_offset;
    }
  }
  BatchScanner scanner(*file, from, size_, at, BatchScanner::kSmallChunkBytes);
  while (true) {
    TRY_ASSIGN(const Found found, scanner.next(Verify::header));
    // What comes before damage is served; asking for the damaged batch itself says what is wrong.
    if (found != Found::batch || scanner.end_position() > limit) return scanner.position();
  }
}

Status Segment::for_each_header(Offset from, const std::function<void(const protocol::BatchHeader&)>& seen) {
  if (is_empty() || from >= end_) return ok();
  TRY_ASSIGN(const auto file, log_.open());
  TRY_ASSIGN(BatchScanner scanner, scanner_for(*file, std::max(from, base_)));
  while (true) {
    TRY_ASSIGN(Found found, scanner.next(Verify::header));
    if (found == Found::damage) {
      TRY_ASSIGN(const bool more, scanner.skip_damage(end_));
      if (more) continue;
      found = Found::end;
    }
    if (found == Found::end) return ok();
    if (scanner.header().next_offset() > from) seen(scanner.header());
  }
}

Result<std::optional<Segment::Location>> Segment::locate_time(Timestamp time, Offset from) {
  if (is_empty() || from >= end_) return std::optional<Location>();
  TRY_ASSIGN(const Timestamp newest, max_timestamp());
  if (newest < time) return std::optional<Location>();
  TRY_ASSIGN(const auto earlier, times_.find(time));
  const Offset start = std::clamp(earlier ? earlier->offset : base_, std::max(from, base_), end_.previous());
  TRY_ASSIGN(const auto file, log_.open());
  TRY_ASSIGN(BatchScanner scanner, scanner_for(*file, start));
  while (true) {
    TRY_ASSIGN(const Found found, scanner.next(Verify::header));
    if (found == Found::damage) return damage(*this, scanner);
    if (found == Found::end) return std::optional<Location>();
    const protocol::BatchHeader& header = scanner.header();
    if (header.record_count != 0 && header.max_timestamp >= time && header.next_offset() > from) {
      return std::optional(
          Location{scanner.position(), header.base_offset, header.total_bytes(), header.next_offset()});
    }
  }
}

Result<Timestamp> Segment::read_first_timestamp() {
  if (first_timestamp_ != kNoTimestamp || is_empty()) return first_timestamp_;
  TRY_ASSIGN(const auto file, log_.open());
  BatchScanner scanner(*file, 0, size_, base_, protocol::kBatchHeaderBytes);
  TRY_ASSIGN(const Found found, scanner.next(Verify::header));
  if (found == Found::batch) first_timestamp_ = scanner.header().max_timestamp;
  return first_timestamp_;
}

Result<Timestamp> Segment::max_timestamp() {
  if (max_timestamp_known_) return max_timestamp_;
  TRY(check_indexes());
  TRY_ASSIGN(const auto newest, times_.last());
  if (newest) {
    max_timestamp_ = newest->timestamp;
    max_timestamp_offset_ = newest->offset;
  }
  max_timestamp_known_ = true;
  return max_timestamp_;
}

}  // namespace millrace::storage
