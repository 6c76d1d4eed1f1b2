#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/base/mutex.h"
#include "broker/replication/partition_manager.h"
#include "broker/replication/partition_table.h"
#include "broker/storage/log_cleaner.h"

namespace millrace::replication {

inline constexpr std::string_view kDeletedSuffix = "-delete";
inline constexpr std::string_view kStraySuffix = "-stray";

// A partition that has to get its log.
struct Opening {
  TopicPartition id;
  Uuid topic_id;
  PartitionConfig config;
  metadata::PartitionImage state;
  // What the last stop left; for a log that is new now, nothing.
  bool clean = false;
  Offset recovery_point{0};
  Offset log_start{0};
  Offset cleaned_to{0};
  Offset high_watermark{0};
  LeaderEpoch lost_epoch = kNoLeaderEpoch;  // see PartitionOptions
};

// The pass of compaction that is under way.
struct Cleaning {
  std::shared_ptr<Partition> partition;
  std::unique_ptr<storage::LogCleaner> cleaner;
  uint64_t paid_bytes = 0;  // of its work, that the rate has been kept for
};

// What PartitionManager is made of. apply()'s thread and the background loop both work on it: what is not marked
// otherwise is constant after open() or thread-safe itself.
struct PartitionManager::State {
  explicit State(PartitionManagerOptions given) : options(std::move(given)) {}

  PartitionManagerOptions options;
  PartitionTable table;
  std::atomic<bool> stopping{false};

  // Held while a checkpoint file is written, so that two threads do not write one; no other lock is taken under it but
  // partitions'.
  Mutex checkpoint_mutex;
  storage::OffsetCheckpoint written_high_watermarks GUARDED_BY(checkpoint_mutex);

  TailBudget tail_budget;

  // apply()'s thread only.
  metadata::ImagePointer image;
  std::map<TopicPartition, Opening> missing;  // whose log could not be opened

  bool is_here(const metadata::PartitionImage& partition) const;
  std::string path_of(const TopicPartition& id) const;

  // partition_manager_open.cc
  Status set_strays_aside();
  void open_all(std::vector<Opening> openings);
  Result<std::shared_ptr<Partition>> open_one(const Opening& opening);
  Status set_aside(const std::string& name);
  void remove_partition(const std::shared_ptr<Partition>& partition);

  // partition_manager_background.cc. Failures are logged there, too.
  void write_checkpoints();  // all; any thread
  Status write_recovery_points() EXCLUDES(checkpoint_mutex);
  Status write_log_starts() EXCLUDES(checkpoint_mutex);
  Status write_cleaner_offsets() EXCLUDES(checkpoint_mutex);
  Status write_high_watermarks() EXCLUDES(checkpoint_mutex);
  void remove_later(std::vector<std::string> paths, int64_t delay_ms);  // any thread
  // On the background loop.
  void schedule_retention();
  void schedule_recovery_checkpoint();
  void schedule_log_start_checkpoint();
  void schedule_high_watermark_checkpoint();
  void enforce_retention();
  void remove_left_over();

  // partition_manager_cleaning.cc, on the background loop
  void schedule_cleaning();
  void begin_cleaning();
  void clean_some();
  Status step_cleaning(bool& done);
  void end_cleaning(const Status& outcome);
  std::optional<Cleaning> cleaning;
  std::set<std::pair<Uuid, PartitionIndex>> uncleanable;  // compaction failed; not tried again before a restart
};

// Runs `work` for each index below `count` on up to `threads` threads and returns when all are done.
void run_parallel(size_t threads, size_t count, const std::function<void(size_t)>& work);

}  // namespace millrace::replication
