#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/strong_id.h"

// What operators learn of a cluster. Times are wall times of the controller, kNoTimestamp: none.
namespace millrace::admin {

struct Address {
  std::string host;
  uint16_t port = 0;
  std::string to_string() const { return host + ":" + std::to_string(port); }
  friend bool operator==(const Address&, const Address&) = default;
};
struct PartitionName {
  std::string topic;
  int32_t partition = 0;
  std::string to_string() const { return topic + "-" + std::to_string(partition); }
  friend bool operator==(const PartitionName&, const PartitionName&) = default;
};

// ---- permits
struct StopPermit {
  std::string holder;
  Timestamp granted_ms = kNoTimestamp;
  Timestamp expires_ms = kNoTimestamp;
};
struct StopQuestion {
  BrokerId node = kNoBroker;
  std::string holder;
  std::chrono::milliseconds ttl{0};
  // Their partitions, and a quorum of one, are down while their broker is, whatever anybody waits for.
  bool accept_single_replicas = false;
};
struct StopRefusal {
  enum class Rule : uint8_t { unknown, other_permit, min_insync, no_other_leader, quorum_majority };
  Rule rule = Rule::unknown;
  std::optional<PartitionName> partition;
  Timestamp since_ms = kNoTimestamp;
  std::string words;  // one sentence
};
struct StopAnswer {
  bool granted = false;
  Timestamp expires_ms = kNoTimestamp;
  std::vector<StopRefusal> refusals;  // the first of `refusals_total`
  int32_t refusals_total = 0;
};
struct Drained {
  int32_t moved = 0;
  int32_t left = 0;  // that nobody else could lead now
  std::vector<PartitionName> first_left;
  bool more = false;  // a bound was reached: call again
};

// ---- replicas
struct Decommission {
  Timestamp since_ms = kNoTimestamp;
  int32_t moves_max = 0;
  int32_t left = 0;  // partitions that have a replica on it
  int32_t moving = 0;
  int32_t stuck = 0;  // neither moving nor movable: no other broker may take them
  std::optional<PartitionName> first_stuck;
  std::optional<std::chrono::milliseconds> remaining;  // at the pace so far
};
struct Move {
  PartitionName partition;
  std::vector<BrokerId> before;  // the preferred leader first
  std::vector<BrokerId> after;
};
struct Moves {
  std::vector<Move> moves;  // planned or begun; the first of `total`
  int32_t total = 0;
  int32_t moving = 0;  // partitions that were moving before, whoever began that
  int32_t left = 0;    // moves that would follow these
  int32_t stuck = 0;   // of a decommission: no other broker may take them
  bool is_done() const { return total == 0 && moving == 0 && left == 0; }
};

// ---- the cluster
struct ListenerState {
  std::string name;
  Address at;
};
struct BrokerState {
  BrokerId id = kNoBroker;
  int64_t epoch = -1;  // of its registration; a restart begins a greater one
  bool fenced = true;  // counts as gone
  bool shutting_down = false;
  Timestamp state_since_ms = kNoTimestamp;             // of the two above
  std::optional<std::chrono::milliseconds> heard_ago;  // since its last heartbeat; none: nobody knows
  std::string rack;
  std::string directory_id;
  std::vector<ListenerState> listeners;
  Address rpc;
  int32_t leaders = 0;
  int32_t replicas = 0;
  int32_t in_sync = 0;  // of these
  std::optional<StopPermit> permit;
  std::optional<Decommission> decommission;
};
struct VoterState {
  BrokerId id = kNoBroker;
  bool live = false;  // heard from lately and caught up
};
struct ClusterState {
  std::string cluster_id;
  BrokerId controller = kNoBroker;
  std::string no_controller;  // why this is what a broker saw last, and not the controller's word; "": it is that
  int64_t metadata_offset = -1;
  Timestamp now_ms = kNoTimestamp;
  int32_t topics = 0;
  int32_t partitions = 0;
  int32_t leaderless = 0;
  std::vector<BrokerState> brokers;
  std::vector<VoterState> voters;  // only with a controller

  const BrokerState* find(BrokerId id) const {
    for (const BrokerState& broker : brokers) {
      if (broker.id == id) return &broker;
    }
    return nullptr;
  }
};

// ---- what one broker knows itself, asked of nobody
struct QuorumVoter {
  BrokerId id = kNoBroker;
  std::string directory_id;
  std::optional<Address> rpc;  // none: not known there
};
struct QuorumSelf {
  enum class Role : uint8_t { follower, candidate, leader };
  Role role = Role::follower;
  BrokerId leader = kNoBroker;  // none: it knows of none
  int64_t term = 0;
  int64_t committed = 0;  // entries of the metadata log
  int64_t last = 0;
  std::vector<QuorumVoter> voters;
};
struct BrokerSelf {
  BrokerId id = kNoBroker;
  std::string cluster_id;
  std::string version;                         // of the product
  std::string waits_for;                       // why it does not serve clients; "": it does
  bool fenced = true;                          // as the controller last said
  bool isolated = true;                        // no controller has answered it for a session
  Timestamp isolated_since_ms = kNoTimestamp;  // by its own clock
  QuorumSelf quorum;
  uint64_t log_bytes = 0;
  Timestamp now_ms = kNoTimestamp;
};

}  // namespace millrace::admin
