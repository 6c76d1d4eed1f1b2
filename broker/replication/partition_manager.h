#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/mutex.h"
#include "broker/base/result.h"
#include "broker/io/event_loop.h"
#include "broker/io/file_system.h"
#include "broker/metadata/cluster_image.h"
#include "broker/replication/partition.h"
#include "broker/replication/partition_table.h"

namespace millrace::replication {

struct PartitionManagerOptions {
  io::FileSystem* fs = nullptr;
  Clock* clock = nullptr;
  io::EventLoop* background = nullptr;  // runs retention, deletion and checkpoints; a loop of its own, for it does I/O
  BrokerId self;
  std::string log_directory;
  ConfigValues node_config;               // normalized static properties of this broker
  PartitionListener* listener = nullptr;  // told of every partition's progress; may be null
  size_t open_threads = 2;                // at start-up
};

// The partitions that this broker has replicas of: opened from the image at start-up, then kept equal to it. Lookups
// are for any thread, take no lock that another thread's lookup takes and allocate nothing. apply() is called by the
// one thread that publishes images. open() and close() by the owner.
class PartitionManager {
 public:
  // Opens the log of every partition that `image` places here; what the directory holds beyond them is renamed to
  // *-stray with a warning, never deleted. Errors: those of storage::LogDir and Log::open; in_use when another process
  // has the directory.
  static Result<std::unique_ptr<PartitionManager>> open(PartitionManagerOptions options,
                                                        std::shared_ptr<const metadata::ClusterImage> image);
  ~PartitionManager();

  std::shared_ptr<Partition> find(std::string_view topic, PartitionIndex partition) const;
  std::shared_ptr<Partition> find(const Uuid& topic_id, PartitionIndex partition) const;
  std::vector<std::shared_ptr<Partition>> all() const;  // sorted by topic and partition

  // Makes partitions, logs, configuration and leadership here equal to `image`. A partition whose log cannot be opened
  // is absent (requests answer unknown_topic_or_partition) and is tried again at the next image; it is logged.
  void apply(std::shared_ptr<const metadata::ClusterImage> image);

  // Begins retention, checkpoints and flushes by time on the background loop.
  void start();
  // Stops background work, flushes everything, leaves the marker of a clean stop. The background loop runs nothing of
  // ours any more (it has been stopped, or this is its thread). Appends answer unknown_topic_or_partition from here on.
  Status close();

  const std::string& log_directory() const;
  Uuid directory_id() const;

 private:
  struct State;
  explicit PartitionManager(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace millrace::replication
