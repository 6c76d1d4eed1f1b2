#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/mutex.h"
#include "broker/io/event_loop.h"
#include "broker/metadata/cluster_image.h"
#include "broker/replication/isr_changes.h"
#include "broker/replication/leader_state.h"
#include "broker/replication/partition_types.h"
#include "broker/replication/replication_metrics.h"

namespace millrace::replication {

// After a change could not be proposed, was refused or met an unknown fate.
inline constexpr Duration kIsrRetry = std::chrono::milliseconds(500);

struct IsrKeeperOptions {
  io::EventLoop* loop = nullptr;  // outlives the keeper, which is destroyed there or when it runs no more
  Clock* clock = nullptr;
  IsrChanges* changes = nullptr;
  ReplicationMetrics* metrics = nullptr;
  LagLimits limits;
};

// Keeps the in-sync sets of the partitions that this broker leads: proposes that members which lag leave and that
// replicas which have caught up join. Partitions in which all are level cost nothing; the others are looked at every
// half of the shorter time that a replica may lag. Thread-safe.
class IsrKeeper final : public IsrWatch {
 public:
  explicit IsrKeeper(IsrKeeperOptions options);
  ~IsrKeeper() override;

  void watch(std::shared_ptr<Partition> partition) override;
  void look_soon(std::shared_ptr<Partition> partition) override;

  // Whom the controller would take into a set is read off the image.
  void apply(metadata::ImagePointer image);
  // The epoch of this broker's registration; nothing is proposed before there is one.
  void set_broker_epoch(int64_t epoch) { broker_epoch_.store(epoch, std::memory_order_relaxed); }
  const std::atomic<int64_t>& broker_epoch() const { return broker_epoch_; }

 private:
  using Partitions = std::vector<std::shared_ptr<Partition>>;
  // What outlives the keeper in tasks and in answers that are still to come.
  struct Door {
    Mutex mutex;                                      // the loop's is taken under it
    io::EventLoop* loop GUARDED_BY(mutex) = nullptr;  // null once the keeper is gone
    void post(std::function<void()> task) EXCLUDES(mutex);
    bool is_open() EXCLUDES(mutex);
  };

  void post(void (IsrKeeper::*run)());
  void begin_sweep();
  void sweep();
  void look_at_asked();
  void look(const std::shared_ptr<Partition>& partition);
  void look_again(std::shared_ptr<Partition> partition);
  bool is_eligible(BrokerId broker, int64_t broker_epoch) const;

  const IsrKeeperOptions options_;
  std::atomic<int64_t> broker_epoch_{-1};
  const std::shared_ptr<Door> door_ = std::make_shared<Door>();

  mutable Mutex mutex_;  // a leaf
  Partitions new_watched_ GUARDED_BY(mutex_);
  Partitions asked_ GUARDED_BY(mutex_);
  metadata::ImagePointer image_ GUARDED_BY(mutex_);

  // The loop's.
  Partitions watched_;
  Partitions again_;
  io::TimerId sweep_timer_ = 0;
  io::TimerId again_timer_ = 0;
};

}  // namespace millrace::replication
