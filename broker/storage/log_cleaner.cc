#include "broker/storage/log_cleaner.h"

#include <algorithm>
#include <limits>

#include "broker/protocol/record_batch.h"

namespace millrace::storage {

namespace {

constexpr size_t kOpenFilesMax = 8;
constexpr size_t kWriteBytes = size_t{512} * 1024;   // gathered before a write
constexpr uint64_t kFlushBytes = uint64_t{4} << 20;  // so that no single flush takes long

uint64_t keys_at_most(const CleaningPlan& plan) {
  return static_cast<uint64_t>(std::max<int64_t>(plan.sources.back().end.value() - plan.first_dirty.value(), 0));
}

}  // namespace

LogCleaner::LogCleaner(io::FileSystem& fs, CleaningPlan plan, Limits limits)
    : fs_(fs),
      plan_(std::move(plan)),
      files_(fs, kOpenFilesMax),
      place_{fs_, files_, plan_.directory},
      map_(limits.map_bytes_max, keys_at_most(plan_), limits.hash_key),
      map_end_(plan_.sources.back().end) {
  ENSURE(!plan_.sources.empty());
  while (source_ < plan_.sources.size() && plan_.sources[source_].end <= plan_.first_dirty) ++source_;
}

LogCleaner::~LogCleaner() { remove_files(); }

Result<LogCleaner::Step> LogCleaner::step(size_t bytes) {
  switch (phase_) {
    case Phase::map:
      return map_some(bytes);
    case Phase::copy:
      return copy_some(bytes);
    case Phase::end:
      return Step::done;
  }
  return Step::done;
}

Result<bool> LogCleaner::next_batch(size_t source) {
  const CleaningPlan::Source& from = plan_.sources[source];
  if (walk_ == nullptr) {
    TRY_ASSIGN(auto file, fs_.open(segment_path(place_, from.base, kLogSuffix), io::OpenMode::read));
    walk_ = std::make_unique<SegmentWalk>(std::move(file), from.size_bytes, from.base);
  }
  auto found = walk_->next();
  if (!found) {
    return Error{found.error().code, segment_path(place_, from.base, kLogSuffix) + ", " + found.error().context};
  }
  if (*found) {
    work_.bytes_read += walk_->batch().size();
    return true;
  }
  if (walk_->expected() != from.end) {
    return Error{Errc::corrupt, segment_path(place_, from.base, kLogSuffix) + " ends before offset " +
                                    std::to_string(from.end.value())};
  }
  walk_.reset();
  return false;
}

Result<LogCleaner::Step> LogCleaner::map_some(size_t bytes) {
  const uint64_t until = work_.bytes_read + bytes;
  while (work_.bytes_read < until) {
    if (source_ == plan_.sources.size()) {
      work_.map_entries = map_.size();
      work_.map_bytes = map_.size_bytes();
      walk_.reset();
      source_ = 0;
      phase_ = Phase::copy;
      return Step::more;
    }
    TRY_ASSIGN(const bool found, next_batch(source_));
    if (!found) {
      ++source_;
    } else {
      TRY(map_batch());
    }
  }
  return Step::more;
}

Status LogCleaner::map_batch() {
  const protocol::BatchHeader& header = walk_->header();
  if (header.has(protocol::kControlBit) || header.record_count == 0 || header.next_offset() <= plan_.first_dirty) {
    return ok();
  }
  TRY_ASSIGN(const Bytes records, protocol::records_of(header, walk_->batch()));
  protocol::RecordCursor cursor(records.view());
  for (int32_t i = 0; i < header.record_count; ++i) {
    TRY_ASSIGN(const protocol::RecordView record, cursor.next());
    const Offset offset = header.base_offset.next(record.offset_delta);
    if (offset < plan_.first_dirty || !record.key) continue;
    if (map_.put(*record.key, offset)) continue;
    // Full: the part before this record is cleaned now, the rest another time.
    map_end_ = offset;
    source_ = plan_.sources.size();
    return ok();
  }
  return ok();
}

Result<LogCleaner::Step> LogCleaner::copy_some(size_t bytes) {
  const uint64_t until = work_.bytes_read + bytes;
  while (work_.bytes_read < until) {
    if (output_ == nullptr) {
      remove_files();
      cleaned_.first += cleaned_.count;
      cleaned_.count = 0;
      source_ = cleaned_.first;
      if (source_ == plan_.sources.size() || plan_.sources[source_].base >= map_end_) {
        phase_ = Phase::end;
        return Step::done;
      }
      TRY(begin_group());
    }
    TRY_ASSIGN(const bool found, next_batch(source_));
    if (found) {
      TRY(copy_batch());
      continue;
    }
    if (++source_ < cleaned_.first + cleaned_.count) continue;
    TRY_ASSIGN(const Step outcome, finish_group());
    if (outcome == Step::swap) return outcome;
  }
  return Step::more;
}

// As many of the next sources as surely fit into one segment.
Status LogCleaner::begin_group() {
  const CleaningPlan::Source& front = plan_.sources[cleaned_.first];
  uint64_t size = 0;
  for (size_t i = cleaned_.first; i < plan_.sources.size(); ++i) {
    const CleaningPlan::Source& source = plan_.sources[i];
    const bool fits = size + source.size_bytes <= static_cast<uint64_t>(plan_.config.segment_bytes_max) &&
                      source.end.value() - front.base.value() <= std::numeric_limits<int32_t>::max();
    if (cleaned_.count != 0 && (!fits || source.base >= map_end_)) break;
    size += source.size_bytes;
    ++cleaned_.count;
  }
  output_ = std::make_unique<Segment>(place_, front.base, SegmentStage::cleaned);
  output_changed_ = cleaned_.count > 1;
  has_files_ = true;
  return output_->create_file();
}

bool LogCleaner::is_producer_batch(Offset last) const {
  return std::binary_search(plan_.producer_batches.begin(), plan_.producer_batches.end(), last);
}

Status LogCleaner::copy_batch() {
  const protocol::BatchHeader& header = walk_->header();
  TRY_ASSIGN(FilteredBatch filtered,
             filter_batch(header, walk_->batch(),
                          {.newest = map_,
                           .below = map_end_,
                           .now_ms = plan_.now_ms,
                           .delete_retention_ms = plan_.config.delete_retention_ms,
                           .batch_bytes_max = static_cast<size_t>(std::max(plan_.config.batch_bytes_max, 0))}));
  work_.records_removed += filtered.records_removed;
  work_.keyless_removed += filtered.keyless;
  switch (filtered.kind) {
    case FilteredBatch::Kind::unchanged:
      TRY(put_bridge());
      return put(walk_->batch());
    case FilteredBatch::Kind::rewritten:
      output_changed_ = true;
      TRY(put_bridge());
      for (const Bytes& batch : filtered.batches) TRY(put(batch));
      return ok();
    case FilteredBatch::Kind::emptied:
      break;
  }
  if (header.record_count != 0) output_changed_ = true;
  if (is_producer_batch(header.last_offset())) {
    TRY(put_bridge());
    return put(make_empty_batch(header));
  }
  if (bridge_ && bridge_->epoch == header.leader_epoch) {
    bridge_->last = header.last_offset();
    output_changed_ = true;
    return ok();
  }
  TRY(put_bridge());
  if (header.producer_id != kNoProducerId) output_changed_ = true;  // its producer is forgotten
  bridge_ = Bridge{header.base_offset, header.last_offset(), header.leader_epoch};
  return ok();
}

Status LogCleaner::put_bridge() {
  if (!bridge_) return ok();
  const Bridge bridge = *std::exchange(bridge_, std::nullopt);
  return put(make_empty_batch(bridge.first, bridge.last, bridge.epoch));
}

Status LogCleaner::put(const Bytes& batch) {
  pending_.insert(pending_.end(), batch.data(), batch.data() + batch.size());
  return pending_.size() < kWriteBytes ? ok() : write_out();
}

Status LogCleaner::write_out() {
  if (pending_.empty()) return ok();
  if (auto failure = output_->append(pending_)) return std::move(failure->error);
  for (size_t at = 0; at < pending_.size();) {
    const protocol::BatchHeader header = protocol::BatchHeader::decode(pending_.data() + at);
    output_->add_batch(header, plan_.config.index_interval_bytes);
    at += header.total_bytes();
  }
  work_.bytes_written += pending_.size();
  unflushed_bytes_ += pending_.size();
  pending_.clear();
  if (unflushed_bytes_ < kFlushBytes) return ok();
  unflushed_bytes_ = 0;
  TRY_ASSIGN(const auto file, output_->file());
  return file->flush();
}

Result<LogCleaner::Step> LogCleaner::finish_group() {
  TRY(put_bridge());
  TRY(write_out());
  ENSURE(output_->end() == plan_.sources[cleaned_.first + cleaned_.count - 1].end);
  cleaned_.size_bytes = output_->size();
  if (!output_changed_) {  // the source is as good
    output_.reset();
    return Step::more;
  }
  TRY(output_->seal());
  TRY_ASSIGN(const auto file, output_->file());
  TRY(file->flush());
  TRY_ASSIGN(const auto indexes, output_->index_files());
  for (const auto& index : indexes) TRY(index->flush());
  unflushed_bytes_ = 0;
  output_.reset();
  return Step::swap;
}

void LogCleaner::remove_files() {
  if (!has_files_) return;
  has_files_ = false;
  output_.reset();
  const Offset base = plan_.sources[cleaned_.first].base;
  for (const std::string_view suffix : {kCleanedLogSuffix, kCleanedOffsetIndexSuffix, kCleanedTimeIndexSuffix}) {
    // Taken over by the log, or never written, or removed at the next start.
    static_cast<void>(static_cast<bool>(fs_.remove(segment_path(place_, base, suffix))));
  }
}

}  // namespace millrace::storage
