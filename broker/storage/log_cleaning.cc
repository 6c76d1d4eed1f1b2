#include <algorithm>

#include "broker/base/logger.h"
#include "broker/storage/log_state.h"

namespace millrace::storage {

namespace {

const Logger kLog("storage");

Error overtaken(const std::string& log) {
  return {Errc::conflict, log + ": segments were removed while they were compacted"};
}

bool is_older(Timestamp time, Timestamp now_ms, int64_t by_ms) {
  int64_t age = 0;
  return time >= 0 && !__builtin_sub_overflow(now_ms, time, &age) && age > by_ms;
}

}  // namespace

Result<std::optional<CleaningPlan>> Log::plan_cleaning(Offset below) {
  State& state = *state_;
  const LogConfig& config = state.options.config;
  std::optional<CleaningPlan> none;
  if (state.offline || !config.compact || state.segments.size() < 2) return none;
  CleaningPlan plan{.directory = state.options.directory,
                    .config = config,
                    .first_dirty = std::max(state.cleaned_to, state.log_start),
                    .now_ms = state.options.clock->wall_ms(),
                    .generation = state.generation};
  below = std::min(below, state.flushed);
  for (size_t i = state.segment_of(state.log_start); i + 1 < state.segments.size(); ++i) {
    Segment& segment = *state.segments[i];
    if (segment.end() > below) break;
    const bool is_dirty = segment.end() > plan.first_dirty;
    if (is_dirty && config.compaction_lag_ms_min > 0) {
      TRY_ASSIGN(const Timestamp newest, segment.max_timestamp());
      if (newest != kNoTimestamp && !is_older(newest, plan.now_ms, config.compaction_lag_ms_min)) break;
    }
    if (is_dirty && !plan.overdue && config.compaction_lag_ms_max != INT64_MAX) {
      TRY_ASSIGN(const Timestamp first, segment.read_first_timestamp());
      plan.overdue = is_older(first, plan.now_ms, config.compaction_lag_ms_max);
    }
    (is_dirty ? plan.dirty_bytes : plan.clean_bytes) += segment.size();
    plan.sources.push_back({segment.base(), segment.end(), segment.size()});
  }
  if (plan.dirty_bytes == 0) return none;
  plan.producer_batches = state.producers.batch_ends();
  return std::optional(std::move(plan));
}

// Where the sources are among the segments; nothing when they are no longer what was read.
std::optional<size_t> Log::State::find_sources(const CleaningPlan& plan, const CleanedSegment& cleaned) const {
  if (offline || plan.generation != generation) return std::nullopt;
  const size_t at = segment_of(plan.sources[cleaned.first].base);
  if (at + cleaned.count >= segments.size()) return std::nullopt;  // the active one stays
  for (size_t i = 0; i < cleaned.count; ++i) {
    const CleaningPlan::Source& source = plan.sources[cleaned.first + i];
    const Segment& segment = *segments[at + i];
    if (segment.base() != source.base || segment.end() != source.end || segment.size() != source.size_bytes) {
      return std::nullopt;
    }
  }
  return at;
}

Status Log::commit_cleaned(const CleaningPlan& plan, const CleanedSegment& cleaned) {
  State& state = *state_;
  if (!state.find_sources(plan, cleaned)) return overtaken(state.name());
  const Offset base = plan.sources[cleaned.first].base;
  TRY(state.fs.rename(segment_path(state.place, base, kCleanedLogSuffix),
                      segment_path(state.place, base, kSwapLogSuffix)));
  state.swapping = base;
  ++state.names;
  return ok();
}

Result<Log::RetentionWork> Log::install_cleaned(const CleaningPlan& plan, const CleanedSegment& cleaned) {
  State& state = *state_;
  RetentionWork work;
  const Offset base = plan.sources[cleaned.first].base;
  if (state.swapping != base) return overtaken(state.name());
  const auto found = state.find_sources(plan, cleaned);
  if (!found) return overtaken(state.name());
  state.forget_positions();
  const Status outcome = [&]() -> Status {
    // The first source goes first: while its name is there, all of them are.
    for (size_t i = 0; i < cleaned.count; ++i) {
      TRY(state.segments[*found + i]->remove_names(
          [&](std::string path) { work.delete_paths.push_back(std::move(path)); }, Segment::Snapshot::keep));
    }
    for (const auto& [from, to] :
         {std::pair(kCleanedOffsetIndexSuffix, kOffsetIndexSuffix),
          std::pair(kCleanedTimeIndexSuffix, kTimeIndexSuffix), std::pair(kSwapLogSuffix, kLogSuffix)}) {
      Status renamed = state.fs.rename(segment_path(state.place, base, from), segment_path(state.place, base, to));
      if (!renamed && (renamed.error().code != Errc::not_found || from == kSwapLogSuffix)) return renamed;
    }
    auto segment = std::make_unique<Segment>(state.place, base);
    segment->set_created_ms(state.segments[*found + cleaned.count - 1]->created_ms());
    TRY(segment->adopt_sealed(plan.sources[cleaned.first + cleaned.count - 1].end));
    const auto first = state.segments.begin() + static_cast<ptrdiff_t>(*found);
    *first = std::move(segment);
    state.segments.erase(first + 1, first + static_cast<ptrdiff_t>(cleaned.count));
    return ok();
  }();
  ++state.names;
  if (!outcome) {
    // Half of the names may have changed; the next start completes it.
    state.go_offline("compacted segments could not be put in place", outcome.error());
    return outcome.error();
  }
  state.swapping.reset();
  work.segments = cleaned.count;
  return work;
}

// Before segments go away: a swap that a restart completed afterwards would bring them back.
Status Log::State::cancel_swap() {
  if (!swapping) return ok();
  const Offset base = *std::exchange(swapping, std::nullopt);
  ++names;
  TRY(fs.remove(segment_path(place, base, kSwapLogSuffix)));
  return fs.flush_directory(options.directory);
}

void Log::fail_cleaned(const Error& why) {
  State& state = *state_;
  if (!state.swapping || state.offline) return;
  state.go_offline("compacted segments may not survive a power loss", why);
}

void Log::end_cleaning(const CleaningPlan& plan, Offset cleaned_to) {
  State& state = *state_;
  if (plan.generation == state.generation) state.cleaned_to = std::max(state.cleaned_to, cleaned_to);
}

Offset Log::cleaned_to() const { return state_->cleaned_to; }

// Completes the swap of compacted segments that an interrupted process began. A *.log.swap is whole and was flushed
// before it got that name; the segments in its place may be there, some of them, or none.
Status Log::State::finish_swaps(const std::vector<io::DirectoryEntry>& entries) {
  std::vector<Offset> swaps, bases;
  for (const io::DirectoryEntry& entry : entries) {
    if (const auto base = parse_segment_name(entry.name, kSwapLogSuffix)) swaps.push_back(*base);
    if (const auto base = parse_segment_name(entry.name, kLogSuffix)) bases.push_back(*base);
  }
  std::sort(bases.begin(), bases.end());
  for (const Offset base : swaps) {
    const std::string path = segment_path(place, base, kSwapLogSuffix);
    TRY_ASSIGN(const auto file, fs.open(path, io::OpenMode::read));
    TRY_ASSIGN(const uint64_t size, file->size());
    BatchScanner scanner(*file, 0, size, base, BatchScanner::kLargeChunkBytes);
    auto found = BatchScanner::Found::batch;
    while (found == BatchScanner::Found::batch) {
      TRY_ASSIGN(found, scanner.next(Verify::crc));
    }
    const bool is_intact = found == BatchScanner::Found::end && size != 0;
    ++names;
    if (!is_intact && std::binary_search(bases.begin(), bases.end(), base)) {
      kLog.error("a compacted segment is damaged; what it was made from is kept", {{"file", path}});
      TRY(fs.remove(path));
      continue;
    }
    // Its name first, for what it replaces is removed now.
    TRY(fs.flush_directory(options.directory));
    for (const Offset old : bases) {
      if (old < base || old >= scanner.expected_offset()) continue;
      TRY(fs.remove(segment_path(place, old, kLogSuffix)));
    }
    for (const io::DirectoryEntry& entry : entries) {
      for (const std::string_view suffix : {kOffsetIndexSuffix, kTimeIndexSuffix}) {
        const auto old = parse_segment_name(entry.name, suffix);
        if (old && *old >= base && *old < scanner.expected_offset()) {
          TRY(fs.remove(io::join_path(options.directory, entry.name)));
        }
      }
    }
    TRY(fs.rename(path, segment_path(place, base, kLogSuffix)));
    kLog.info("the swap of a compacted segment was completed", {{"log", name()}, {"base_offset", base}});
  }
  return ok();
}

}  // namespace millrace::storage
