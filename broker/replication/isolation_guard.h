#pragma once

#include <memory>

#include "broker/base/clock.h"
#include "broker/io/event_loop.h"
#include "broker/replication/partition_manager.h"
#include "broker/replication/replication_metrics.h"

namespace millrace::replication {

// All of it is borrowed and outlives the guard.
struct IsolationGuardOptions {
  io::EventLoop* loop = nullptr;
  Clock* clock = nullptr;
  PartitionManager* partitions = nullptr;
  ReplicationMetrics* metrics = nullptr;
  Duration session = std::chrono::seconds(2);  // broker.session.timeout.ms
};

// What isolation means for the partitions that this broker leads. While no controller answers, one whose in-sync set
// has another member that does not follow (it is not subscribed, or its stream has been silent for a session) refuses
// writes, whatever their acks, as if it led no more: that member may have been elected, and what is written here would
// be lost. One whose members all follow, or that has none, goes on: nobody else can be elected without them, and a
// cluster whose quorum is lost keeps serving. Reads up to the high watermark go on.
//
// Partitions are looked at while the broker is isolated and never otherwise; an append pays nothing. Lives on the loop;
// destroyed there, or when it runs no more.
class IsolationGuard {
 public:
  explicit IsolationGuard(const IsolationGuardOptions& options);
  ~IsolationGuard();

  void set_isolated(bool isolated);  // any thread

 private:
  void begin();
  void end();
  void look();
  struct Count {
    int64_t led = 0;
    int64_t refusing = 0;
  };
  Count look_at_all(std::optional<TimePoint> heard_since);

  const IsolationGuardOptions options_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // what is posted asks whether we still are

  // The loop's. Of one spell of isolation:
  bool is_isolated_ = false;
  io::TimerId timer_ = 0;
  TimePoint began_{};
  int64_t refusing_max_ = 0;
  uint64_t refused_ = 0;
};

}  // namespace millrace::replication
