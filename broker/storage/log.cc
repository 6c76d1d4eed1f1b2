#include "broker/storage/log.h"

#include <algorithm>

#include "broker/base/logger.h"
#include "broker/storage/log_state.h"

namespace millrace::storage {

namespace {

const Logger kLog("storage");
constexpr size_t kOwnOpenFilesMax = 16;  // of a log without a shared cache

}  // namespace

Log::State::State(io::FileSystem& file_system, LogOptions log_options)
    : fs(file_system),
      options(std::move(log_options)),
      own_files(options.files == nullptr ? std::make_unique<FileCache>(fs, kOwnOpenFilesMax) : nullptr),
      own_metrics(options.metrics == nullptr ? std::make_unique<StorageMetrics>() : nullptr),
      metrics(options.metrics == nullptr ? *own_metrics : *options.metrics),
      place{fs, options.files == nullptr ? *own_files : *options.files, options.directory} {
  ENSURE(options.clock != nullptr);
}

size_t Log::State::segment_of(Offset offset) const {
  const auto after = std::upper_bound(segments.begin(), segments.end(), offset,
                                      [](Offset at, const auto& segment) { return at < segment->base(); });
  return after == segments.begin() ? 0 : static_cast<size_t>(after - segments.begin()) - 1;
}

Log::Log(std::unique_ptr<State> state) : state_(std::move(state)) {}
Log::~Log() = default;

EpochEndOffset Log::end_offset_for_epoch(LeaderEpoch epoch) const {
  return state_->epochs.end_offset(epoch, state_->end());
}
LeaderEpoch Log::latest_epoch() const { return state_->epochs.latest(); }
std::optional<Sequence> Log::next_sequence(ProducerId id, ProducerEpoch epoch) const {
  return state_->producers.next_sequence(id, epoch);
}
LeaderEpoch Log::epoch_at(Offset at) const { return state_->epochs.at(at); }
Offset Log::log_start() const { return state_->log_start; }
Offset Log::log_end() const { return state_->end(); }
Offset Log::segment_start(Offset at) const { return state_->segments[state_->segment_of(at)]->base(); }
Offset Log::flushed_offset() const { return state_->flushed; }
bool Log::is_offline() const { return state_->offline; }
const LogConfig& Log::config() const { return state_->options.config; }
void Log::set_config(const LogConfig& config) { state_->options.config = config; }

uint64_t Log::size_bytes() const {
  uint64_t size = 0;
  for (const auto& segment : state_->segments) size += segment->size();
  return size;
}

Status Log::assign_epoch_start(LeaderEpoch epoch, Offset start) {
  ENSURE(start == state_->end());
  state_->assign_epoch(epoch, start);
  return ok();
}

void Log::State::go_offline(std::string_view what, const Error& why) {
  offline = true;
  kLog.error(std::string(what) + "; the log is offline", {{"log", name()}, {"reason", why.to_string()}});
  if (options.on_offline) options.on_offline();
}

void Log::forget_empty_epochs() {
  if (state_->epochs.truncate_end(state_->end())) ++state_->epochs_changes;
}

Status Log::close_cleanly() {
  State& state = *state_;
  if (state.offline) return state.offline_error();
  TRY(state.active().seal());
  for (const auto& segment : state.segments) {
    TRY(segment->release_memory());
    if (segment->indexes_flushed()) continue;
    // The marker of a clean stop makes the next start trust them.
    TRY_ASSIGN(const auto indexes, segment->index_files());
    for (const auto& file : indexes) TRY(file->flush());
    segment->set_indexes_flushed(true);
    ++state.names;  // they may be new
  }
  if (state.epochs_written != state.epochs_changes) TRY(state.write_epochs());
  if (state.end() > Offset(0)) TRY(state.write_snapshot(state.end()));
  if (state.names_flushed != state.names) {
    TRY(state.fs.flush_directory(state.options.directory));
    state.names_flushed = state.names;
  }
  return ok();
}

}  // namespace millrace::storage
