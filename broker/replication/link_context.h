#pragma once

#include <atomic>
#include <cstdint>

#include "broker/base/clock.h"
#include "broker/io/random.h"
#include "broker/replication/catch_up_budget.h"
#include "broker/replication/partition_manager.h"
#include "broker/replication/peer_messages.h"
#include "broker/replication/replication_metrics.h"

namespace millrace::replication {

// What the links of a broker share; outlives them. Thread-safe, or constant.
struct LinkContext {
  PartitionManager& partitions;
  Clock& clock;
  io::Random& random;
  ReplicationMetrics& metrics;
  CatchUpBudget& catch_up;
  CatchUpBudget& leader_throttle;    // of partitions whose throttle() says so
  CatchUpBudget& follower_throttle;  // likewise
  const Hello& self;                 // but for the broker's epoch
  const std::atomic<int64_t>& broker_epoch;

  Hello hello() const {
    Hello hello = self;
    hello.broker_epoch = broker_epoch.load(std::memory_order_relaxed);
    return hello;
  }
  bool is_compatible(const Hello& peer) const {
    return peer.version == self.version && peer.cluster_id == self.cluster_id && peer.broker != self.broker;
  }
};

}  // namespace millrace::replication
