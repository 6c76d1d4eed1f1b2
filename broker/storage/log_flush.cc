#include <algorithm>

#include "broker/storage/log_state.h"

namespace millrace::storage {

FlushPlan Log::begin_flush() {
  State& state = *state_;
  FlushPlan plan;
  plan.up_to = state.end();
  plan.began = state.options.clock->now();
  plan.generation = state.generation;
  plan.names = state.names;
  plan.epochs = state.epochs_changes;
  if (state.offline) return plan;
  const auto add = [&plan](Result<std::shared_ptr<io::File>> file) {
    if (file) {
      plan.files.push_back(*std::move(file));
    } else if (!plan.failure) {
      plan.failure = std::move(file).error();
    }
  };
  // Everything between what is known to be durable and the end: a flush that is under way may still fail.
  for (const auto& segment : state.segments) {
    if (segment->end() > state.flushed && !segment->is_empty()) add(segment->file());
  }
  for (const auto& segment : state.segments) {
    if (segment->indexes_flushed() || segment.get() == &state.active()) continue;
    auto indexes = segment->index_files();
    if (indexes) {
      for (auto& file : *indexes) plan.files.push_back(std::move(file));
    } else {
      add(std::move(indexes).error());
    }
    auto snapshot = state.fs.open(segment_path(state.place, segment->end(), kSnapshotSuffix), io::OpenMode::read_write);
    if (snapshot) plan.files.push_back(*std::move(snapshot));
    plan.sealed.push_back(segment->base());
  }
  if (state.epochs_written != state.epochs_changes) {
    plan.small_files.push_back({state.epochs_path(), state.epochs.format()});
  }
  if (state.names_flushed != state.names) {
    if (!state.parent_flushed) plan.directories.push_back(io::parent_path(state.options.directory));
    plan.directories.push_back(state.options.directory);
    auto metadata = state.fs.open(state.metadata_path(), io::OpenMode::read_write);
    if (metadata) plan.files.push_back(*std::move(metadata));
  }
  state.flushing = std::max(state.flushing, plan.up_to);
  return plan;
}

Status run_flush(io::FileSystem& fs, FlushPlan& plan) {
  if (plan.failure) return *plan.failure;
  for (const auto& file : plan.files) TRY(file->flush());
  for (const std::string& directory : plan.directories) TRY(fs.flush_directory(directory));
  plan.is_data_durable = true;
  // Behind the data, and in a directory whose name is durable.
  for (const auto& file : plan.small_files) TRY(io::write_file_atomically(fs, file.path, file.content));
  return ok();
}

void Log::end_flush(const FlushPlan& plan, const Status& outcome) {
  State& state = *state_;
  if (state.offline) return;
  if (plan.is_put_off(outcome)) {
    state.metrics.flush_failures.add();
    state.flushing = state.flushed;
    state.flush_again_at = state.options.clock->now() + kFlushAgainAfter;
    return;
  }
  state.flush_again_at.reset();
  if (!outcome) {
    // What the kernel did with the unwritten pages is unknown: another flush could succeed without them.
    state.metrics.flush_failures.add();
    state.go_offline("a flush failed", outcome.error());
    return;
  }
  state.metrics.flushes.add();
  state.metrics.flush_duration.record(state.options.clock->now() - plan.began);
  state.names_flushed = std::max(state.names_flushed, plan.names);
  state.epochs_written = std::max(state.epochs_written, plan.epochs);
  if (!plan.directories.empty()) state.parent_flushed = true;
  if (plan.generation != state.generation) return;  // the log was truncated meanwhile
  state.flushed = std::max(state.flushed, plan.up_to);
  for (const auto& segment : state.segments) {
    if (std::binary_search(plan.sealed.begin(), plan.sealed.end(), segment->base())) segment->set_indexes_flushed(true);
  }
}

std::optional<TimePoint> Log::flush_due() const {
  const State& state = *state_;
  if (state.offline || state.flushing == state.segments.back()->end()) return std::nullopt;
  if (state.flush_again_at) return state.flush_again_at;
  // A segment that was sealed is flushed soon whatever the configuration: a crash then costs no scan of it.
  if (state.flushing < state.segments.back()->base()) return state.options.clock->now();
  // Years are "unlimited" as well: a time point counts nanoseconds.
  constexpr int64_t kMillisecondsMax = INT64_MAX / 4'000'000;
  if (state.options.config.flush_ms > kMillisecondsMax) return std::nullopt;
  return state.unflushed_since + std::chrono::milliseconds(state.options.config.flush_ms);
}

}  // namespace millrace::storage
