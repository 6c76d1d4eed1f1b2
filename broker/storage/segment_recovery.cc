#include <algorithm>
#include <limits>

#include "broker/storage/segment.h"

namespace millrace::storage {

using Found = BatchScanner::Found;

namespace {
// A segment that is larger than this without one index entry has lost its index.
constexpr uint64_t kUnindexedBytesMax = 1u << 20;
}  // namespace

Status Segment::adopt_sealed(Offset end) {
  TRY_ASSIGN(const std::shared_ptr<io::File> file, log_.place().fs.open(path(), io::OpenMode::read));
  TRY_ASSIGN(size_, file->size());
  end_ = end;
  indexes_checked_ = max_timestamp_known_ = false;
  indexes_flushed_ = true;
  return ok();
}

Status Segment::adopt_active() {
  // Not through the cache: ten thousand logs opened at start must not leave their files open.
  TRY_ASSIGN(const std::shared_ptr<io::File> file, log_.place().fs.open(path(), io::OpenMode::read));
  TRY_ASSIGN(size_, file->size());
  if (size_ == 0) return clear_indexes();
  end_ = Offset(std::numeric_limits<int64_t>::max());
  indexes_checked_ = false;
  TRY(check_indexes());
  TRY_ASSIGN(const auto newest, times_.last());
  if (newest) {
    max_timestamp_ = newest->timestamp;
    max_timestamp_offset_ = newest->offset;
  }
  TRY_ASSIGN(BatchScanner scanner, scanner_for(*file, end_));
  while (true) {
    TRY_ASSIGN(const Found found, scanner.next(Verify::header));
    if (found == Found::damage) {
      return Error{Errc::corrupt, path() + " at byte " + std::to_string(scanner.position()) + ": " + scanner.reason()};
    }
    if (found == Found::end) break;
    if (scanner.header().record_count != 0 && scanner.header().max_timestamp > max_timestamp_) {
      max_timestamp_ = scanner.header().max_timestamp;
      max_timestamp_offset_ = scanner.header().last_offset();
    }
    if (scanner.position() == 0) first_timestamp_ = scanner.header().max_timestamp;
  }
  if (first_timestamp_ == kNoTimestamp) {
    BatchScanner first(*file, 0, size_, base_, protocol::kBatchHeaderBytes);
    TRY_ASSIGN(const Found found, first.next(Verify::header));
    if (found == Found::batch) first_timestamp_ = first.header().max_timestamp;
  }
  end_ = scanner.expected_offset();
  max_timestamp_known_ = true;
  indexes_flushed_ = !offsets_.has_pending() && !times_.has_pending();  // or else just built anew
  offsets_.close();
  times_.close();
  return ok();
}

Status Segment::check_indexes() {
  if (indexes_checked_) return ok();
  indexes_checked_ = true;
  TRY_ASSIGN(const uint64_t offset_entries, offsets_.count());
  TRY_ASSIGN(const uint64_t time_entries, times_.count());
  // Sealing wrote the largest timestamp, so that an empty time index says that it is lost (or that no record has one).
  bool good = is_empty() || (time_entries != 0 && (size_ <= kUnindexedBytesMax || offset_entries != 0));
  if (good && offset_entries != 0) {
    TRY_ASSIGN(const auto last, offsets_.last());
    TRY_ASSIGN(const auto first, offsets_.find_position(0));
    good = last->position < size_ && last->last_offset >= base_ && last->last_offset < end_ && !first;
  }
  if (good && time_entries != 0) {
    TRY_ASSIGN(const auto last, times_.last());
    good = last->timestamp >= 0 && last->offset >= base_ && last->offset < end_;
  }
  if (good) return ok();
  return rebuild_indexes();
}

Status Segment::rebuild_indexes() {
  const uint64_t size = size_;
  const Offset end = end_;
  const auto verified = verified_;
  TRY(clear_indexes());
  TRY_ASSIGN(const auto file, log_.open());
  BatchScanner scanner(*file, 0, size, base_, BatchScanner::kLargeChunkBytes);
  size_ = 0;
  Status outcome = ok();
  while (true) {
    auto found = scanner.next(Verify::header);
    if (found && *found == Found::damage) {
      const auto more = scanner.skip_damage(end);
      if (more && *more) {
        bytes_since_index_ = std::numeric_limits<uint32_t>::max();  // an entry right behind the damage
        continue;
      }
    }
    if (!found || *found != Found::batch) {
      if (!found) outcome = std::move(found).error();
      break;
    }
    size_ = scanner.position();
    add_batch(scanner.header(), static_cast<int32_t>(BatchScanner::kSmallChunkBytes));
  }
  size_ = size;
  end_ = end;
  verified_ = verified;
  TRY(outcome);
  return finish_times();
}

Result<Segment::Recovery> Segment::recover(Offset keep_below, int32_t index_interval,
                                           const std::function<void(const protocol::BatchHeader&)>& seen) {
  Recovery result;
  TRY_ASSIGN(const std::shared_ptr<io::File> file, log_.place().fs.open(path(), io::OpenMode::read_write));
  TRY_ASSIGN(const uint64_t file_size, file->size());
  TRY(clear_indexes());
  verified_.clear();
  size_ = 0;
  end_ = base_;
  BatchScanner scanner(*file, 0, file_size, base_, BatchScanner::kLargeChunkBytes);
  while (true) {
    TRY_ASSIGN(const Found found, scanner.next(Verify::crc));
    if (found == Found::end) break;
    if (found == Found::batch) {
      size_ = scanner.position();
      add_batch(scanner.header(), index_interval);
      seen(scanner.header());
      continue;
    }
    if (result.reason.empty()) {
      result.reason = "byte " + std::to_string(scanner.position()) + ": " + scanner.reason();
    }
    const uint64_t damaged_at = scanner.position();
    TRY_ASSIGN(const bool flushed_data_follows, scanner.skip_damage(keep_below));
    if (!flushed_data_follows) {
      result.cut_bytes = file_size - damaged_at;
      size_ = damaged_at;
      break;
    }
    result.damaged_bytes += scanner.end_position() - damaged_at;
    bytes_since_index_ =
        std::numeric_limits<uint32_t>::max();  // an entry right behind it, so that reads need not cross
  }
  if (result.cut_bytes != 0) {
    // At once durable: what was cut must not come back behind what is appended next.
    TRY(file->truncate(size_));
    TRY(file->flush());
  }
  TRY(seal());
  offsets_.close();
  times_.close();
  return result;
}

Status Segment::truncate_to(Offset to) {
  if (to >= end_) return ok();
  uint64_t position = 0;
  Timestamp newest = kNoTimestamp;
  Offset newest_offset = kNoOffset;
  Offset new_end = base_;
  if (to > base_) {
    TRY_ASSIGN(const Location location, locate(to));
    position = location.position;
    new_end = location.base_offset;
  } else {
    TRY(check_indexes());
  }
  TRY_ASSIGN(const auto file, log_.create());
  TRY(file->truncate(position));
  TRY(file->flush());
  size_ = position;
  end_ = new_end;
  std::erase_if(verified_, [&](const auto& range) { return range.first >= position; });
  if (!verified_.empty()) verified_.back().second = std::min(verified_.back().second, position);
  TRY(offsets_.truncate_to(position));
  TRY(times_.truncate_to(new_end));
  TRY_ASSIGN(const auto last_time, times_.last());
  if (last_time) {
    newest = last_time->timestamp;
    newest_offset = last_time->offset;
  }
  if (is_empty()) first_timestamp_ = kNoTimestamp;
  if (!is_empty()) {
    TRY_ASSIGN(const auto last_entry, offsets_.last());
    TRY(for_each_header(last_entry ? last_entry->last_offset : base_, [&](const protocol::BatchHeader& header) {
      if (header.record_count != 0 && header.max_timestamp > newest) {
        newest = header.max_timestamp;
        newest_offset = header.last_offset();
      }
    }));
  }
  max_timestamp_ = newest;
  max_timestamp_offset_ = newest_offset;
  max_timestamp_known_ = true;
  indexes_flushed_ = false;
  bytes_since_index_ = 0;
  return ok();
}

}  // namespace millrace::storage
