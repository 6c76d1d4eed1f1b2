// PartitionManager: what happens on the background loop.

#include <utility>

#include "broker/base/logger.h"
#include "broker/replication/partition_manager_state.h"
#include "broker/replication/replication_config.h"

namespace millrace::replication {

namespace {

const Logger logger("replication");

std::chrono::milliseconds interval(const PartitionManagerOptions& options, const ConfigKey& key) {
  return std::chrono::milliseconds(config_int(*options.config.static_values, key));
}

// Whoever wrote has said so.
void is_logged(const Status&) {}

}  // namespace

void PartitionManager::start() {
  state_->options.background->post([state = state_.get()] {
    state->remove_left_over();
    state->schedule_retention();
    state->schedule_recovery_checkpoint();
    state->schedule_log_start_checkpoint();
    state->schedule_high_watermark_checkpoint();
    state->schedule_cleaning();
  });
}

void PartitionManager::State::schedule_retention() {
  options.background->run_after(interval(options, kRetentionCheckIntervalMs), [this] {
    enforce_retention();
    schedule_retention();
  });
}

void PartitionManager::State::schedule_recovery_checkpoint() {
  options.background->run_after(interval(options, kRecoveryCheckpointIntervalMs), [this] {
    is_logged(write_recovery_points());
    schedule_recovery_checkpoint();
  });
}

void PartitionManager::State::schedule_log_start_checkpoint() {
  options.background->run_after(interval(options, kLogStartCheckpointIntervalMs), [this] {
    is_logged(write_log_starts());
    schedule_log_start_checkpoint();
  });
}

void PartitionManager::State::schedule_high_watermark_checkpoint() {
  options.background->run_after(interval(options, kHighWatermarkCheckpointIntervalMs), [this] {
    is_logged(write_high_watermarks());
    schedule_high_watermark_checkpoint();
  });
}

void PartitionManager::State::enforce_retention() {
  for (const std::shared_ptr<Partition>& partition : table.all()) {
    if (stopping) return;
    Result<storage::Log::RetentionWork> work = partition->enforce_retention();
    if (!work) {
      if (work.error().code == Errc::unknown_topic_or_partition) continue;  // deleted meanwhile
      logger.warn("retention not enforced", {{"topic", partition->id().topic},
                                             {"partition", partition->id().partition},
                                             {"error", work.error().to_string()}});
      continue;
    }
    if (work->segments == 0) continue;
    logger.info(
        "segments removed by retention",
        {{"topic", partition->id().topic}, {"partition", partition->id().partition}, {"segments", work->segments}});
    remove_later(std::move(work->delete_paths), partition->file_delete_delay_ms());
  }
}

void PartitionManager::State::remove_later(std::vector<std::string> paths, int64_t delay_ms) {
  options.background->post([this, paths = std::move(paths), delay_ms]() mutable {
    options.background->run_after(std::chrono::milliseconds(delay_ms), [this, paths = std::move(paths)] {
      for (const std::string& path : paths) {
        if (stopping) return;  // the next start removes what is left
        if (const Status removed = options.fs->remove_all(path); !removed) {
          logger.warn("not removed", {{"path", path}, {"error", removed.error().to_string()}});
        }
      }
    });
  });
}

void PartitionManager::State::remove_left_over() {
  Result<std::vector<std::string>> deleted = options.dir->list_deleted();
  if (!deleted) {
    logger.warn("left-over deleted logs not listed", {{"error", deleted.error().to_string()}});
  } else if (!deleted->empty()) {
    remove_later(std::move(*deleted), 0);
  }
}

void PartitionManager::State::write_checkpoints() {
  is_logged(write_recovery_points());
  is_logged(write_log_starts());
  is_logged(write_cleaner_offsets());
}

Status PartitionManager::State::write_recovery_points() {
  MutexLock lock(checkpoint_mutex);
  storage::OffsetCheckpoint offsets;
  for (const auto& partition : table.all()) {
    const Result<PartitionOffsets> at = partition->offsets_of_log();
    if (at) offsets[{partition->id().topic, partition->id().partition}] = at->flushed;
  }
  Status written = options.dir->write_recovery_points(offsets);
  if (!written) logger.warn("recovery points not written", {{"error", written.error().to_string()}});
  return written;
}

Status PartitionManager::State::write_log_starts() {
  MutexLock lock(checkpoint_mutex);
  storage::OffsetCheckpoint offsets;
  for (const auto& partition : table.all()) {
    const Result<PartitionOffsets> at = partition->offsets_of_log();
    if (at) offsets[{partition->id().topic, partition->id().partition}] = at->log_start;
  }
  Status written = options.dir->write_log_starts(offsets);
  if (!written) logger.warn("log starts not written", {{"error", written.error().to_string()}});
  return written;
}

// A leader that has no other replica knows its high watermark without.
Status PartitionManager::State::write_high_watermarks() {
  MutexLock lock(checkpoint_mutex);
  storage::OffsetCheckpoint offsets;
  for (const auto& partition : table.all()) {
    if (!partition->is_replicated()) continue;
    const Result<PartitionOffsets> at = partition->offsets_of_log();
    if (at) offsets[{partition->id().topic, partition->id().partition}] = at->high_watermark;
  }
  if (offsets == written_high_watermarks) return ok();
  Status written = options.dir->write_high_watermarks(offsets);
  if (written) {
    written_high_watermarks = std::move(offsets);
  } else {
    logger.warn("high watermarks not written", {{"error", written.error().to_string()}});
  }
  return written;
}

}  // namespace millrace::replication
