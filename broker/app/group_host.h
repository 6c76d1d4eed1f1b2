#pragma once

#include <map>
#include <memory>

#include "broker/app/partition_log_writer.h"
#include "broker/base/logger.h"
#include "broker/base/mutex.h"
#include "broker/coordinator/group_coordinator.h"
#include "broker/io/event_loop.h"
#include "broker/metadata/cluster_image.h"
#include "broker/replication/partition.h"
#include "broker/replication/partition_manager.h"

namespace millrace::app {

// All of it is borrowed and outlives the host.
struct GroupHostOptions {
  Clock* clock = nullptr;
  replication::PartitionManager* partitions = nullptr;
  io::EventLoop* loop = nullptr;  // loads partitions and runs the coordinator's timers
  coordinator::GroupConfig config;
  coordinator::CoordinatorMetrics* metrics = nullptr;
  std::function<Uuid()> new_uuid;
  BrokerId self;
};

// Owns the group coordinator and keeps it equal to what this broker leads of
// __consumer_offsets: loads a partition when its leadership comes, and again
// after a failed append; lets it go with it.
//
//   images.subscribe([&](auto&, auto& now) { partitions.apply(now); });   //
//   first images.subscribe([&](auto&, auto& now) { host.apply(*now); });
//   // the PartitionListener of the manager calls host.progress(partition)
class GroupHost {
 public:
  explicit GroupHost(GroupHostOptions options);
  ~GroupHost();
  GroupHost(const GroupHost&) = delete;
  GroupHost& operator=(const GroupHost&) = delete;

  coordinator::GroupCoordinator& coordinator() { return *state_->coordinator; }
  // By the one thread that publishes images, after PartitionManager::apply().
  // Empty partitions serve when it returns.
  void apply(const metadata::ClusterImage& image);
  void progress(const replication::Partition& partition);  // any thread; cheap for partitions that are not ours
  // Answers what waits. The loop may still run tasks of ours, which then do
  // nothing.
  void stop();

 private:
  struct Led {
    LeaderEpoch epoch;
    std::shared_ptr<replication::Partition> partition;
    std::shared_ptr<PartitionLogWriter> writer;  // once loaded
    uint64_t load = 0;                           // of the load in progress; a later one makes it void
    Duration reload_after{};                     // the pause after the last failure
    TimePoint failed_at{};
  };
  // Shared with tasks on the loop, which may come after stop().
  struct State : std::enable_shared_from_this<State>, coordinator::Timers {
    GroupHostOptions options;
    std::unique_ptr<coordinator::GroupCoordinator> coordinator;
    Mutex mutex;  // nothing of the coordinator or a partition is called with it
                  // held
    bool stopped GUARDED_BY(mutex) = false;
    uint64_t loads GUARDED_BY(mutex) = 0;
    std::map<PartitionIndex, Led> led GUARDED_BY(mutex);

    void run_at(TimePoint at, std::function<void()> task) override;
    void lead(PartitionIndex index, LeaderEpoch epoch);
    void let_go(PartitionIndex index, const Error& why);
    void load(PartitionIndex index, uint64_t ticket);
    void reload_later(PartitionIndex index);
    bool is_current(PartitionIndex index, uint64_t ticket);
  };

  std::shared_ptr<State> state_;
};

}  // namespace millrace::app
