#include <algorithm>

#include "broker/base/logger.h"
#include "broker/storage/log_state.h"

namespace millrace::storage {

namespace {
const Logger kLog("storage");
}

// Removes the first `count` segments, oldest first so that no gap can appear whatever of it survives a power loss.
Status Log::State::remove_front(size_t count, RetentionWork& work) {
  for (size_t i = 0; i < count; ++i) {
    Segment& oldest = *segments.front();
    kLog.info("segment removed", {{"log", name()}, {"base_offset", oldest.base()}, {"bytes", oldest.size()}});
    ++names;
    TRY(oldest.remove_names([&](std::string path) { work.delete_paths.push_back(std::move(path)); }));
    segments.erase(segments.begin());
    ++work.segments;
    metrics.removed_segments.add();
  }
  log_start = std::max(log_start, segments.front()->base());
  if (epochs.truncate_start(log_start)) ++epochs_changes;
  return ok();
}

Result<Log::RetentionWork> Log::enforce_retention(Offset below) {
  State& state = *state_;
  RetentionWork work;
  if (state.offline) return state.offline_error();
  const LogConfig& config = state.options.config;
  const Timestamp now = state.options.clock->wall_ms();
  state.producers.expire(now, state.options.producer_id_expiration_ms);
  // A log that nobody wrote to since the last time keeps no more than it must.
  if (state.end_at_last_retention == state.end()) {
    state.forget_positions();
    TRY(state.active().release_memory());
  }
  state.end_at_last_retention = state.end();

  const auto is_expired = [&](size_t index) -> Result<bool> {
    if (!config.delete_old || config.retention_ms < 0) return false;
    // One without times, as compaction may leave, is older than those behind it.
    for (size_t i = index; i < state.segments.size(); ++i) {
      TRY_ASSIGN(const Timestamp newest, state.segments[i]->max_timestamp());
      if (newest != kNoTimestamp) return now - newest > config.retention_ms;
    }
    return now - state.segments[index]->created_ms() > config.retention_ms;
  };
  uint64_t size = size_bytes();
  size_t remove = 0;
  for (; remove < state.segments.size(); ++remove) {
    Segment& segment = *state.segments[remove];
    const bool is_active = remove + 1 == state.segments.size();
    if (segment.is_empty() || segment.end() > below) break;
    TRY_ASSIGN(const bool expired, is_expired(remove));
    const bool over_size = config.delete_old && config.retention_bytes >= 0 && !is_active &&
                           size - segment.size() >= static_cast<uint64_t>(config.retention_bytes);
    const bool before_start = !is_active && segment.end() <= state.log_start;
    if (!expired && !over_size && !before_start) break;
    size -= segment.size();
  }
  const bool all = remove == state.segments.size();
  if (all) {
    TRY(state.roll());  // what goes may not include the place where the next record comes
  } else if (!state.active().is_empty() &&
             now - (state.active().first_timestamp() >= 0 ? state.active().first_timestamp()
                                                          : state.active().created_ms()) >
                 config.roll_ms()) {
    TRY(state.roll());
  }
  if (remove != 0) {
    TRY(state.cancel_swap());
    TRY(state.remove_front(remove, work));
    state.forget_positions();
  }
  return work;
}

Result<Log::RetentionWork> Log::advance_log_start(Offset to) {
  State& state = *state_;
  RetentionWork work;
  if (state.offline) return state.offline_error();
  if (to > state.end()) {
    return Error{Errc::offset_out_of_range, state.name() + " ends at " + std::to_string(state.end().value())};
  }
  if (to <= state.log_start) return work;
  TRY(state.cancel_swap());
  state.log_start = to;
  const size_t holder = state.segment_of(to);
  TRY(state.remove_front(holder, work));
  if (holder == 0 && state.epochs.truncate_start(to)) ++state.epochs_changes;
  state.forget_positions();
  return work;
}

Status Log::truncate_to(Offset to) {
  State& state = *state_;
  if (state.offline) return state.offline_error();
  if (to >= state.end()) return ok();
  if (to < state.log_start) {
    return Error{Errc::invalid_argument, state.name() + " starts at " + std::to_string(state.log_start.value()) +
                                             " and cannot be truncated to " + std::to_string(to.value())};
  }
  const uint64_t size_before = size_bytes();
  ++state.generation;
  state.forget_positions();
  // From the end: whatever survives a power loss is a log without gaps.
  const size_t last = state.segment_of(to);
  Status outcome = [&]() -> Status {
    TRY(state.cancel_swap());
    TRY(state.drop_segments_from(last + 1));
    TRY(state.active().truncate_to(to));
    // The batch that held the log start went whole: nothing readable is left, and the start does not go back.
    if (state.end() < state.log_start) TRY(state.start_over_at(state.log_start));
    TRY(state.fs.flush_directory(state.options.directory));
    state.names_flushed = state.names;
    if (state.epochs.truncate_end(state.end())) {
      ++state.epochs_changes;
      TRY(state.write_epochs());
    }
    return ok();
  }();
  if (!outcome) {
    state.go_offline("a log could not be cut", outcome.error());  // half of it may have happened
    return outcome;
  }
  state.metrics.truncated_bytes.add(size_before - size_bytes());
  state.flushed = std::min(state.flushed, state.end());
  state.cleaned_to = std::min(state.cleaned_to, state.end());
  state.flushing = state.flushed;
  // The five batches remembered of a producer may reach back beyond what was cut, so they stay as they are.
  state.producers.truncate_end(state.end());
  while (!state.snapshots.empty() && state.snapshots.back() > state.end()) {
    static_cast<void>(
        static_cast<bool>(state.fs.remove(segment_path(state.place, state.snapshots.back(), kSnapshotSuffix))));
    state.snapshots.pop_back();
    ++state.names;
  }
  kLog.info("log truncated", {{"log", state.name()}, {"end", state.end()}});
  return ok();
}

Status Log::start_over(Offset at) {
  State& state = *state_;
  if (state.offline) return state.offline_error();
  ++state.generation;
  state.forget_positions();
  Status outcome = state.cancel_swap();
  if (outcome) outcome = state.start_over_at(at);
  if (!outcome) state.go_offline("a log could not be started over", outcome.error());
  return outcome;
}

}  // namespace millrace::storage
