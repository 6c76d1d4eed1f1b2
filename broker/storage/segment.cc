#include "broker/storage/segment.h"

#include <algorithm>
#include <array>
#include <limits>

namespace millrace::storage {

namespace {
constexpr size_t kVerifiedRangesMax = 32;  // beyond it the smallest is forgotten, and verified again when read
}

Status Segment::create_file() {
  TRY_ASSIGN(const auto file, log_.create());
  TRY_ASSIGN(const uint64_t left_behind, file->size());
  if (left_behind != 0) TRY(file->truncate(0));
  return clear_indexes();
}

Status Segment::clear_indexes() {
  TRY(offsets_.truncate(0));
  TRY(times_.truncate(0));
  bytes_since_index_ = 0;
  max_timestamp_ = first_timestamp_ = kNoTimestamp;
  max_timestamp_offset_ = kNoOffset;
  max_timestamp_known_ = indexes_checked_ = true;
  return ok();
}

std::optional<Segment::AppendFailure> Segment::append(BytesView batches) {
  auto file = log_.create();
  if (!file) return AppendFailure{std::move(file).error(), true};
  const std::array<BytesView, 1> pieces{batches};
  Status written = (*file)->write_at(size_, pieces);
  if (written) return std::nullopt;
  // Nothing of it may be taken for a batch later: not by a reader of the file, not by recovery.
  const bool repaired = static_cast<bool>((*file)->truncate(size_));
  return AppendFailure{std::move(written).error(), repaired};
}

void Segment::add_batch(const protocol::BatchHeader& header, int32_t index_interval) {
  const uint64_t position = size_;
  size_ += header.total_bytes();
  end_ = header.next_offset();
  set_verified(position, size_);
  indexes_flushed_ = false;
  if (position == 0) first_timestamp_ = header.max_timestamp;
  if (header.record_count != 0 && header.max_timestamp > max_timestamp_) {
    max_timestamp_ = header.max_timestamp;
    max_timestamp_offset_ = header.last_offset();
  }
  const bool due = bytes_since_index_ > static_cast<uint32_t>(std::max(index_interval, 0));
  if (due) bytes_since_index_ = 0;
  const uint64_t since = uint64_t{bytes_since_index_} + header.total_bytes();
  bytes_since_index_ = static_cast<uint32_t>(std::min<uint64_t>(since, std::numeric_limits<uint32_t>::max()));
  if (!due) return;
  // The batch is stored. An index that cannot be written keeps its entries for later or lacks one: reads walk further.
  const bool indexed = static_cast<bool>(offsets_.append(header.last_offset(), position)) &&
                       static_cast<bool>(times_.append(max_timestamp_, max_timestamp_offset_));
  static_cast<void>(indexed);
}

void Segment::set_verified(uint64_t from, uint64_t to) {
  if (from >= to) return;
  // Appends extend the last range.
  if (!verified_.empty() && verified_.back().second == from) {
    verified_.back().second = to;
    return;
  }
  verified_.emplace_back(from, to);
  std::sort(verified_.begin(), verified_.end());
  size_t kept = 0;
  for (size_t i = 1; i < verified_.size(); ++i) {
    if (verified_[i].first <= verified_[kept].second) {
      verified_[kept].second = std::max(verified_[kept].second, verified_[i].second);
    } else {
      verified_[++kept] = verified_[i];
    }
  }
  verified_.resize(kept + 1);
  if (verified_.size() > kVerifiedRangesMax) {
    verified_.erase(std::min_element(verified_.begin(), verified_.end(), [](const auto& a, const auto& b) {
      return a.second - a.first < b.second - b.first;
    }));
  }
}

Result<Segment::Verified> Segment::verify(uint64_t from, uint64_t to, Offset at) {
  for (const auto& [start, end] : verified_) {
    if (start <= from && to <= end) return Verified{to};
  }
  TRY_ASSIGN(const auto file, log_.open());
  BatchScanner scanner(*file, from, to, at, BatchScanner::kLargeChunkBytes);
  while (true) {
    TRY_ASSIGN(const auto found, scanner.next(Verify::crc));
    if (found == BatchScanner::Found::batch) continue;
    set_verified(from, scanner.position());
    return Verified{scanner.position(), found == BatchScanner::Found::damage ? scanner.reason() : ""};
  }
}

Status Segment::finish_times() {
  TRY_ASSIGN(const Timestamp newest, max_timestamp());
  if (newest == kNoTimestamp) return ok();
  return times_.append(newest, max_timestamp_offset_);
}

Status Segment::seal() {
  if (is_empty()) return ok();
  TRY(finish_times());
  TRY(offsets_.write_pending());
  TRY(times_.write_pending());
  return ok();
}

Status Segment::release_memory() {
  TRY(offsets_.write_pending());
  TRY(times_.write_pending());
  verified_.shrink_to_fit();
  return ok();
}

Status Segment::remove_names(const std::function<void(std::string)>& renamed, Snapshot snapshot) {
  io::FileSystem& fs = log_.place().fs;
  log_.close();
  offsets_.close();
  times_.close();
  for (const std::string_view suffix : {kLogSuffix, kOffsetIndexSuffix, kTimeIndexSuffix, kSnapshotSuffix}) {
    if (suffix == kSnapshotSuffix && snapshot == Snapshot::keep) continue;
    const std::string from = segment_path(log_.place(), base_, suffix);
    const std::string to = from + std::string(kDeletedSuffix);
    Status outcome = fs.rename(from, to);
    if (outcome) {
      renamed(to);
    } else if (outcome.error().code != Errc::not_found) {
      return outcome;
    }
  }
  return ok();
}

Result<bool> Segment::indexes_full() {
  TRY_ASSIGN(const uint64_t entries, offsets_.count());
  return entries >= kIndexEntriesMax;
}

Result<std::vector<std::shared_ptr<io::File>>> Segment::index_files() {
  std::vector<std::shared_ptr<io::File>> files;
  for (const IndexFile* index : {static_cast<const IndexFile*>(&offsets_), static_cast<const IndexFile*>(&times_)}) {
    auto file = index->open();
    if (file) {
      files.push_back(*file);
    } else if (file.error().code != Errc::not_found) {
      return std::move(file).error();
    }
  }
  return files;
}

}  // namespace millrace::storage
