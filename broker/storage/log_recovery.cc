#include <algorithm>

#include "broker/base/logger.h"
#include "broker/storage/log_state.h"

namespace millrace::storage {

namespace {
const Logger kLog("storage");
}

Status Log::State::open_segments(std::vector<Offset> bases) {
  log_start = options.log_start;
  const Timestamp now = options.clock->wall_ms();
  for (const Offset base : bases) segments.push_back(std::make_unique<Segment>(place, base));
  for (const auto& segment : segments) segment->set_created_ms(now);
  if (segments.empty()) {
    // New, or everything was lost before its first flush. The file of the very first segment comes with its first
    // batch; a later one is made at once, for its name alone says where the log ends.
    TRY(load_epochs());
    return start_over_at(log_start);
  }
  // Sealed segments end where the next one starts, as far as they are trusted.
  size_t trusted = segments.size() - 1;
  // A segment that ends exactly at the recovery point was still active when that was flushed: its indexes were not.
  if (!options.clean_shutdown) trusted = std::min(trusted, segment_of(options.recovery_point.previous()));
  for (size_t i = 0; i < trusted; ++i) TRY(segments[i]->adopt_sealed(segments[i + 1]->base()));
  bool complete = false;
  if (options.clean_shutdown) {
    Status adopted = segments.back()->adopt_active();
    complete = static_cast<bool>(adopted);
    if (!adopted && adopted.error().code != Errc::corrupt) return adopted;
    if (!adopted) {
      metrics.corrupt_batches.add();
      kLog.error("a log that was closed cleanly is damaged; its last segment is recovered",
                 {{"log", name()}, {"reason", adopted.error().context}});
    }
  }
  TRY(load_epochs());
  if (!complete) {
    TRY(recover_segments(trusted));
    // What the process before this one did not flush, this one has to.
    ++names;
    parent_flushed = false;
  }
  flushed = options.clean_shutdown ? end() : std::min(options.recovery_point, end());
  flushing = flushed;
  log_start = std::max(log_start, segments.front()->base());
  if (log_start > end()) {
    kLog.warn("the log ends before its start and starts over", {{"log", name()}, {"start", log_start}, {"end", end()}});
    return start_over_at(log_start);
  }
  if (epochs.truncate_end(end())) ++epochs_changes;
  if (epochs.truncate_start(log_start)) ++epochs_changes;
  if (options.cleaned_to <= end()) cleaned_to = options.cleaned_to;  // or else it is of another log
  return load_producers(complete);
}

// Verifies segments from `first` on. Batches below the recovery point were flushed: damage among them is kept in
// place, is reported and never served. Beyond it the first damage ends the log.
Status Log::State::recover_segments(size_t first) {
  for (size_t i = first; i < segments.size(); ++i) {
    Segment& segment = *segments[i];
    const bool follows = i == 0 || segments[i - 1]->end() == segment.base();
    if (!follows) {
      const bool was_flushed = segment.base() < options.recovery_point;
      kLog.error(was_flushed ? "records are missing between two segments" : "segments behind a gap are removed",
                 {{"log", name()}, {"from", segments[i - 1]->end()}, {"to", segment.base()}});
      if (!was_flushed) return drop_segments_from(i);
    }
    // Damage in the middle of flushed records is kept in place in every segment, also if the next one vouches for it.
    TRY_ASSIGN(const Segment::Recovery result,
               segment.recover(options.recovery_point, options.config.index_interval_bytes,
                               [&](const protocol::BatchHeader& header) {
                                 assign_epoch(header.leader_epoch, header.base_offset);
                               }));
    metrics.recovered_bytes.add(segment.size());
    metrics.truncated_bytes.add(result.cut_bytes);
    if (result.damaged_bytes != 0) {
      metrics.corrupt_batches.add();
      kLog.error("flushed records are damaged; they are kept but not served",
                 {{"file", segment.path()}, {"bytes", result.damaged_bytes}, {"at", result.reason}});
    }
    if (result.cut_bytes != 0) {
      const bool was_flushed = segment.end() < options.recovery_point;
      if (was_flushed) metrics.corrupt_batches.add();
      if (was_flushed) {
        kLog.error("flushed records at the end of a segment are damaged and were cut",
                   {{"file", segment.path()}, {"bytes", result.cut_bytes}, {"at", result.reason}});
      } else {
        kLog.warn("cut a torn tail", {{"file", segment.path()}, {"bytes", result.cut_bytes}, {"at", result.reason}});
      }
    }
  }
  return ok();
}

// Durable before it returns: a segment that came back after a power loss could follow what is appended in its place.
Status Log::State::drop_segments_from(size_t index) {
  if (segments.size() <= index) return ok();
  while (segments.size() > index) {
    metrics.truncated_bytes.add(segments.back()->size());
    ++names;
    TRY(segments.back()->remove_names([this](const std::string& path) {
      // The name is gone; what cannot be deleted now is at the next start.
      static_cast<void>(static_cast<bool>(fs.remove(path)));
    }));
    segments.pop_back();
  }
  return fs.flush_directory(options.directory);
}

Status Log::State::start_over_at(Offset offset) {
  TRY(drop_segments_from(0));
  segments.push_back(std::make_unique<Segment>(place, offset));
  segments.back()->set_created_ms(options.clock->wall_ms());
  if (offset > Offset(0)) {
    ++names;
    TRY(segments.back()->create_file());
  }
  log_start = flushed = flushing = cleaned_to = offset;
  if (epochs.truncate_end(offset)) ++epochs_changes;
  producers.clear();
  return ok();
}

std::optional<ProducerState> Log::State::load_snapshot(Offset at) {
  const std::string path = segment_path(place, at, kSnapshotSuffix);
  const auto text = io::read_small_file(fs, path);
  auto state = text ? ProducerState::parse(*text, options.clock->wall_ms()) : Result<ProducerState>(text.error());
  if (state) return *std::move(state);
  kLog.warn("producer snapshot is unusable", {{"path", path}, {"reason", state.error().to_string()}});
  return std::nullopt;
}

// The newest usable snapshot within the log, and what the log holds behind it. `complete`: the log was closed cleanly,
// so that the snapshot at its end, when there is one, says everything.
Status Log::State::load_producers(bool complete) {
  Offset from = segments.front()->base();
  for (auto at = snapshots.rbegin(); at != snapshots.rend(); ++at) {
    if (*at > end() || *at < log_start) continue;
    auto loaded = load_snapshot(*at);
    if (!loaded) continue;
    producers = *std::move(loaded);
    from = *at;
    break;
  }
  if (complete && from == end()) return ok();
  const Timestamp now = options.clock->wall_ms();
  for (size_t i = segment_of(from); i < segments.size(); ++i) {
    TRY(segments[i]->for_each_header(from, [&](const protocol::BatchHeader& header) {
      if (header.base_offset >= from) producers.update(header, now);
    }));
  }
  producers.limit(options.producers_max);
  return ok();
}

Status Log::State::write_epochs() {
  TRY(io::write_file_atomically(fs, epochs_path(), epochs.format()));
  epochs_written = epochs_changes;
  return ok();
}

}  // namespace millrace::storage
