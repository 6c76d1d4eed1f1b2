// PartitionManager: logs are opened, and removed when their partitions are gone.

#include <algorithm>
#include <thread>
#include <utility>

#include "broker/base/logger.h"
#include "broker/replication/partition_config.h"
#include "broker/replication/partition_manager_state.h"
#include "broker/storage/storage_config.h"

namespace millrace::replication {

namespace {

const Logger logger("replication");

}  // namespace

void run_parallel(size_t threads, size_t count, const std::function<void(size_t)>& work) {
  std::atomic<size_t> next{0};
  const auto loop = [&] {
    for (size_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) work(i);
  };
  std::vector<std::thread> helpers;
  for (size_t i = 1; i < std::min(threads, count); ++i) helpers.emplace_back(loop);
  loop();
  for (std::thread& helper : helpers) helper.join();
}

Result<std::unique_ptr<PartitionManager>> PartitionManager::open(PartitionManagerOptions options,
                                                                 metadata::ImagePointer image) {
  auto state = std::make_unique<State>(options);
  const storage::LogDir& dir = *state->options.dir;
  state->image = image;
  if (const metadata::BrokerImage* self = image->find_broker(options.config.self)) TRY(dir.mark_running(self->epoch));
  TRY(state->set_strays_aside());
  TRY_ASSIGN(const storage::OffsetCheckpoint recovery_points, dir.read_recovery_points());
  TRY_ASSIGN(const storage::OffsetCheckpoint log_starts, dir.read_log_starts());
  TRY_ASSIGN(const storage::OffsetCheckpoint cleaner_offsets, dir.read_cleaner_offsets());
  TRY_ASSIGN(const storage::OffsetCheckpoint high_watermarks, dir.read_high_watermarks());
  const auto offset_of = [](const storage::OffsetCheckpoint& offsets, const TopicPartition& id) {
    const auto at = offsets.find({id.topic, id.partition});
    return at == offsets.end() ? Offset{0} : at->second;
  };

  std::vector<Opening> openings;
  for (const auto& [name, topic] : image->topics()) {
    const PartitionConfig config = partition_config(*image, *topic, state->options.config);
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      if (!state->is_here(topic->partitions[i])) continue;
      const TopicPartition id{name, PartitionIndex{static_cast<int32_t>(i)}};
      openings.push_back({.id = id,
                          .topic_id = topic->id,
                          .config = config,
                          .state = topic->partitions[i],
                          .clean = dir.was_clean(),
                          .recovery_point = offset_of(recovery_points, id),
                          .log_start = offset_of(log_starts, id),
                          .cleaned_to = offset_of(cleaner_offsets, id),
                          .high_watermark = offset_of(high_watermarks, id),
                          .lost_epoch = dir.has_everything() || topic->partitions[i].replicas.size() <= 1
                                            ? kNoLeaderEpoch
                                            : topic->partitions[i].leader_epoch});
    }
  }
  const size_t count = openings.size();
  state->open_all(std::move(openings));
  state->write_checkpoints();
  logger.info(
      "partitions opened",
      {{"count", count - state->missing.size()}, {"failed", state->missing.size()}, {"clean", dir.was_clean()}});
  return std::unique_ptr<PartitionManager>(new PartitionManager(std::move(state)));
}

// What lies here beside the image's partitions was put there by someone, or the image was lost: it is data.
Status PartitionManager::State::set_strays_aside() {
  TRY_ASSIGN(const std::vector<storage::PartitionDirectory> found, options.dir->list_partitions());
  for (const storage::PartitionDirectory& directory : found) {
    if (directory.topic == metadata::kMetadataTopic) continue;
    const metadata::PartitionImage* placed = image->find_partition(directory.topic, directory.partition);
    if (placed == nullptr || !is_here(*placed)) TRY(set_aside(directory.name));
  }
  return ok();
}

Status PartitionManager::State::set_aside(const std::string& name) {
  for (int attempt = 0;; ++attempt) {
    const std::string aside = name + (attempt == 0 ? "" : "." + std::to_string(attempt)) + std::string(kStraySuffix);
    const std::string to = io::join_path(options.dir->path(), aside);
    TRY_ASSIGN(const bool taken, options.fs->exists(to));
    if (taken) continue;
    TRY(options.fs->rename(io::join_path(options.dir->path(), name), to));
    TRY(options.fs->flush_directory(options.dir->path()));
    logger.warn("a log directory belongs to no partition of this broker and was set aside",
                {{"directory", name}, {"renamed_to", to}});
    return ok();
  }
}

void PartitionManager::State::open_all(std::vector<Opening> openings) {
  std::vector<std::shared_ptr<Partition>> opened(openings.size());
  run_parallel(options.threads, openings.size(), [&](size_t i) {
    Result<std::shared_ptr<Partition>> partition = open_one(openings[i]);
    if (partition) {
      opened[i] = std::move(*partition);
      return;
    }
    logger.error("log not opened; its partition is unavailable until the next change of metadata or restart",
                 {{"topic", openings[i].id.topic},
                  {"partition", openings[i].id.partition},
                  {"error", partition.error().to_string()}});
  });
  for (size_t i = 0; i < openings.size(); ++i) {
    if (opened[i] != nullptr) {
      table.insert(std::move(opened[i]));
    } else {
      TopicPartition id = openings[i].id;
      missing.insert_or_assign(std::move(id), std::move(openings[i]));
    }
  }
  if (!openings.empty() && options.listener != nullptr) options.listener->on_opened();
}

Result<std::shared_ptr<Partition>> PartitionManager::State::open_one(const Opening& opening) {
  const auto open_log = [&](bool is_new) {
    return storage::Log::open(
        *options.fs,
        {.directory = path_of(opening.id),
         .topic = opening.id.topic,
         .partition = opening.id.partition,
         .topic_id = opening.topic_id,
         .config = opening.config.log,
         .clock = options.clock,
         .clean_shutdown = opening.clean && !is_new,
         .recovery_point = is_new ? Offset{0} : opening.recovery_point,
         .log_start = is_new ? Offset{0} : opening.log_start,
         .cleaned_to = is_new ? Offset{0} : opening.cleaned_to,
         .files = options.files,
         .metrics = options.metrics,
         .producer_id_expiration_ms = config_int(*options.config.static_values, storage::kProducerIdExpirationMs),
         .producers_max = static_cast<size_t>(config_int(*options.config.static_values, storage::kProducersMax)),
         .on_offline = [dir = options.dir] { dir->distrust(); }});
  };
  bool fresh = false;
  Result<std::unique_ptr<storage::Log>> log = open_log(fresh);
  if (!log && log.error().code == Errc::cluster_mismatch) {
    // An earlier topic of the same name, whose deletion this broker has missed.
    TRY(set_aside(storage::partition_directory_name(opening.id.topic, opening.id.partition)));
    fresh = true;
    log = open_log(fresh);
  }
  if (!log) return std::move(log).error();
  auto partition =
      std::make_shared<Partition>(PartitionOptions{.id = opening.id,
                                                   .topic_id = opening.topic_id,
                                                   .self = options.config.self,
                                                   .config = opening.config,
                                                   .listener = options.listener,
                                                   .flusher = options.flusher,
                                                   .clock = options.clock,
                                                   .isr_watch = options.isr_watch,
                                                   .tail_budget = &tail_budget,
                                                   .high_watermark = fresh ? Offset{0} : opening.high_watermark,
                                                   .lost_epoch = opening.lost_epoch},
                                  std::move(*log));
  partition->set_state(opening.state);
  return partition;
}

// The rename makes deletion atomic: what is half removed after a crash is found by its name.
void PartitionManager::State::remove_partition(const std::shared_ptr<Partition>& partition) {
  table.erase(*partition);
  const int64_t delay_ms = partition->file_delete_delay_ms();
  partition->abandon();
  const std::string deleted = io::join_path(options.dir->path(), partition->topic_id().to_string() + "-" +
                                                                     std::to_string(partition->id().partition.value()) +
                                                                     std::string(kDeletedSuffix));
  if (const Status renamed = options.fs->rename(path_of(partition->id()), deleted); !renamed) {
    logger.error("log directory of a deleted partition not renamed; it will be set aside at the next start",
                 {{"topic", partition->id().topic},
                  {"partition", partition->id().partition},
                  {"error", renamed.error().to_string()}});
    return;
  }
  logger.info("partition deleted", {{"topic", partition->id().topic}, {"partition", partition->id().partition}});
  remove_later({deleted}, delay_ms);
}

}  // namespace millrace::replication
