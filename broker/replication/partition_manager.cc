#include "broker/replication/partition_manager.h"

#include <algorithm>
#include <utility>

#include "broker/base/logger.h"
#include "broker/replication/partition_config.h"
#include "broker/replication/partition_manager_state.h"

namespace millrace::replication {

namespace {
const Logger logger("replication");
}  // namespace

PartitionManager::PartitionManager(std::unique_ptr<State> state) : state_(std::move(state)) {}

PartitionManager::~PartitionManager() { state_->stopping = true; }

std::shared_ptr<Partition> PartitionManager::find(std::string_view topic, PartitionIndex partition) const {
  return state_->table.find(topic, partition);
}

std::shared_ptr<Partition> PartitionManager::find(const Uuid& topic_id, PartitionIndex partition) const {
  return state_->table.find(topic_id, partition);
}

std::shared_ptr<Partition> PartitionManager::note_refused(AbsentBatch refused) {
  return state_->table.note_refused(std::move(refused), state_->options.clock->now());
}

std::vector<std::shared_ptr<Partition>> PartitionManager::all() const { return state_->table.all(); }

const storage::LogDir& PartitionManager::directory() const { return *state_->options.dir; }

size_t PartitionManager::tail_bytes() const { return state_->tail_budget.used(); }

Status PartitionManager::write_checkpoints_after_truncation() {
  TRY(state_->write_recovery_points());
  return state_->write_cleaner_offsets();
}

void PartitionManager::remove_files(const Partition& partition, std::vector<std::string> paths) {
  state_->remove_later(std::move(paths), partition.file_delete_delay_ms());
}

Result<io::DiskSpace> PartitionManager::disk_space() const {
  return state_->options.fs->disk_space(state_->options.dir->path());
}

bool PartitionManager::State::is_here(const metadata::PartitionImage& partition) const {
  return std::find(partition.replicas.begin(), partition.replicas.end(), options.config.self) !=
         partition.replicas.end();
}

std::string PartitionManager::State::path_of(const TopicPartition& id) const {
  return io::join_path(options.dir->path(), storage::partition_directory_name(id.topic, id.partition));
}

void PartitionManager::apply(metadata::ImagePointer image) {
  State& state = *state_;
  const metadata::ImagePointer before = std::exchange(state.image, image);
  std::vector<Opening> openings;
  bool removed = false;

  for (const metadata::TopicChange& change : metadata::TopicChanges::between(*before, *image)) {
    if (change.before != nullptr) {
      for (size_t i = 0; i < change.before->partitions.size(); ++i) {
        const PartitionIndex index{static_cast<int32_t>(i)};
        const bool stays = change.now != nullptr && change.now->id == change.before->id &&
                           i < change.now->partitions.size() && state.is_here(change.now->partitions[i]);
        if (stays) continue;
        state.missing.erase({change.before->name, index});
        if (const auto partition = state.table.find(change.before->id, index)) {
          state.remove_partition(partition);
          removed = true;
        }
      }
    }
    if (change.now == nullptr) continue;
    const PartitionConfig config = partition_config(*image, *change.now, state.options.config);
    for (size_t i = 0; i < change.now->partitions.size(); ++i) {
      const PartitionIndex index{static_cast<int32_t>(i)};
      const metadata::PartitionImage& placed = change.now->partitions[i];
      if (!state.is_here(placed)) continue;
      if (const auto partition = state.table.find(change.now->id, index)) {
        partition->set_config(config);
        partition->set_state(placed);
      } else {
        state.missing.erase({change.now->name, index});
        openings.push_back(
            {.id = {change.now->name, index}, .topic_id = change.now->id, .config = config, .state = placed});
      }
    }
  }

  // A new log must not be taken for flushed as far as an earlier one of its name was.
  if (removed) state.write_checkpoints();

  if (metadata::broker_config_differs(*before, *image, state.options.config.self)) {
    std::map<Uuid, PartitionConfig> configs;
    for (const auto& partition : state.table.all()) {
      const metadata::TopicImage* topic = image->find_topic(partition->topic_id());
      if (topic == nullptr) continue;
      const auto [at, added] = configs.try_emplace(topic->id);
      if (added) at->second = partition_config(*image, *topic, state.options.config);
      partition->set_config(at->second);
    }
  }

  for (auto& [id, opening] : std::exchange(state.missing, {})) openings.push_back(std::move(opening));
  state.open_all(std::move(openings));
}

Status PartitionManager::close(int64_t broker_epoch) {
  State& state = *state_;
  state.stopping = true;
  const std::vector<std::shared_ptr<Partition>> partitions = state.table.all();
  // Taken before the logs are closed, written after: what cannot be flushed keeps its old point.
  storage::OffsetCheckpoint recovery_points, log_starts, high_watermarks;
  Mutex mutex;
  std::atomic<size_t> failed{0};
  run_parallel(state.options.threads, partitions.size(), [&](size_t i) {
    Partition& partition = *partitions[i];
    storage::FlushPlan plan = partition.begin_flush();
    Status status = storage::run_flush(*state.options.fs, plan);
    partition.end_flush(plan, status);
    if (const Result<PartitionOffsets> offsets = partition.offsets_of_log(); offsets) {
      MutexLock lock(mutex);
      recovery_points[{partition.id().topic, partition.id().partition}] = offsets->flushed;
      log_starts[{partition.id().topic, partition.id().partition}] = offsets->log_start;
      if (partition.is_replicated()) {
        high_watermarks[{partition.id().topic, partition.id().partition}] = offsets->high_watermark;
      }
    }
    if (status) status = partition.close_cleanly();
    if (status) return;
    failed.fetch_add(1);
    logger.error("partition not closed cleanly", {{"topic", partition.id().topic},
                                                  {"partition", partition.id().partition},
                                                  {"error", status.error().to_string()}});
  });
  TRY(state.options.dir->write_recovery_points(recovery_points));
  TRY(state.options.dir->write_log_starts(log_starts));
  if (!high_watermarks.empty()) TRY(state.options.dir->write_high_watermarks(high_watermarks));
  if (failed.load() != 0) return Error{Errc::storage_offline, std::to_string(failed.load()) + " partitions"};
  return state.options.dir->mark_clean(broker_epoch);
}

}  // namespace millrace::replication
