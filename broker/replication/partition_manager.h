#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/result.h"
#include "broker/io/event_loop.h"
#include "broker/io/file_system.h"
#include "broker/io/random.h"
#include "broker/metadata/cluster_image.h"
#include "broker/metadata/topic_config.h"
#include "broker/replication/partition.h"
#include "broker/storage/log_dir.h"
#include "broker/storage/storage_metrics.h"

namespace millrace::replication {

// All of it is borrowed and outlives the manager.
struct PartitionManagerOptions {
  io::FileSystem* fs = nullptr;
  Clock* clock = nullptr;
  io::EventLoop* background = nullptr;  // runs retention, compaction, deletion and checkpoints; does I/O
  io::Random* random = nullptr;         // keys of the hash that compaction tells keys apart by
  storage::LogDir* dir = nullptr;
  storage::Flusher* flusher = nullptr;
  storage::FileCache* files = nullptr;
  storage::StorageMetrics* metrics = nullptr;
  metadata::BrokerConfigView config;      // names this broker, too
  PartitionListener* listener = nullptr;  // told of every partition's progress; may be null
  IsrWatch* isr_watch = nullptr;          // of the in-sync sets led here; null: they stay as they are
  size_t threads = 2;                     // that open and close logs, at start-up and at the end; 1: the caller's own
};

// The partitions that this broker has replicas of: opened from the image at start-up, then kept equal to it. Lookups
// are for any thread, take no lock that another thread's lookup takes and allocate nothing. apply() is called by the
// one thread that publishes images. open() and close() by the owner.
class PartitionManager {
 public:
  // Opens the log of every partition that `image` places here; what the directory holds beyond them is renamed to
  // *-stray with a warning, never deleted. A log that cannot be opened is no error: see apply(). Errors: those of the
  // file system.
  static Result<std::unique_ptr<PartitionManager>> open(PartitionManagerOptions options, metadata::ImagePointer image);
  ~PartitionManager();

  std::shared_ptr<Partition> find(std::string_view topic, PartitionIndex partition) const;
  std::shared_ptr<Partition> find(const Uuid& topic_id, PartitionIndex partition) const;
  std::shared_ptr<Partition> note_refused(AbsentBatch refused);  // as PartitionTable's
  std::vector<std::shared_ptr<Partition>> all() const;           // sorted by topic and partition

  // Makes partitions, logs, configuration and leadership here equal to `image`. A partition whose log cannot be opened
  // is absent from find() and is tried again at the next image; it is logged.
  void apply(metadata::ImagePointer image);

  // Begins retention, compaction, checkpoints and removal of deleted logs on the background loop.
  void start();
  // Stops background work, flushes everything, leaves the marker of a clean stop with the epoch of this broker's
  // registration (-1: none). The background loop runs nothing of ours any more (it has been stopped, or this is its
  // thread). Appends answer unknown_topic_or_partition from here on.
  Status close(int64_t broker_epoch = -1);

  // By followers, any thread. After truncations and before anything is appended, what Log::truncate_to() asks for.
  Status write_checkpoints_after_truncation();
  // Files of segments that a partition let go, once its file.delete.delay.ms have passed.
  void remove_files(const Partition& partition, std::vector<std::string> paths);

  const storage::LogDir& directory() const;
  size_t tail_bytes() const;                 // that are held for followers
  Result<io::DiskSpace> disk_space() const;  // of the volume that holds it

 private:
  struct State;
  explicit PartitionManager(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace millrace::replication
