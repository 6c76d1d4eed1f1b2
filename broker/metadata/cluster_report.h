#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "broker/metadata/decisions.h"
#include "broker/metadata/replica_index.h"

namespace millrace::metadata {

// What people and operators want to know of a cluster at a glance. Its size is that of the brokers.
struct BrokerReport {
  BrokerId id;
  int64_t epoch = -1;
  Uuid directory_id;
  bool fenced = true;
  bool shutting_down = false;
  Timestamp state_since_ms = kNoTimestamp;
  std::optional<std::chrono::milliseconds> heard_ago;  // since its last heartbeat; none: not known here
  std::string rack;
  std::vector<ListenerEndpoint> listeners;
  RpcEndpoint rpc;
  ReplicaIndex::Counts counts;
  std::optional<StopPermit> permit;  // that has not run out
  std::optional<DecommissionProgress> decommission;
};
struct ClusterReport {
  std::string cluster_id;
  BrokerId controller = kNoBroker;
  Offset applied{-1};
  Timestamp now_ms = kNoTimestamp;
  int32_t topics = 0;
  int32_t partitions = 0;
  int32_t leaderless = 0;
  std::vector<BrokerReport> brokers;      // by id
  std::vector<QuorumView::Voter> voters;  // as the controller sees them
};

// `now.monotonic` is of the clock that the state was kept by; a state that was made from an image alone has heard of
// nobody.
ClusterReport report_of(const ControllerState& state, machine::Now now, const QuorumView& quorum);

}  // namespace millrace::metadata
