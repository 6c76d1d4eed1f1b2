#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/base/uuid.h"
#include "broker/metadata/cluster_image.h"
#include "broker/metadata/partition_commands.h"

namespace millrace::metadata {

// Commands about brokers. One that has more partitions to change than a command may (kPartitionsPerCommandMax) changes
// the first of them and says so: `overloaded` means "ask again, it goes on", until the rest happens with the last part.

struct RegisterBroker {
  BrokerId id;
  Uuid incarnation;        // of this process; one that another has replaced is refused (duplicate_registration)
  Uuid directory_id;       // of its data directory; a known id with another directory is refused (cluster_mismatch)
  std::string cluster_id;  // that its data directory belongs to (cluster_mismatch); "": known to be right
  std::vector<ListenerEndpoint> listeners;
  RpcEndpoint rpc;
  std::string rack;
  FeatureRanges features;       // must hold the cluster's finalized levels (unsupported_version)
  bool clean_start = false;     // its logs were closed cleanly; otherwise they may lack their end, see remove_lost()
  int64_t previous_epoch = -1;  // that it had when it closed them, -1: not known; another than the last: not clean
  bool fenced = false;          // until a heartbeat says that it has caught up; false only for a cluster of one broker
};
struct RegisterBrokerReply {
  int64_t epoch = -1;
};
struct SetFenced {
  BrokerId id;
  int64_t epoch = -1;  // of its registration; stale_broker_epoch when another one has replaced it
  bool fenced = true;
};
// Nobody listens any more where that process of the broker did: it is fenced as if its session had ended. If it is
// heard of all the same, which a firewall that refuses connections can bring about, such words about it count for
// nothing during kGoneDoubted.
struct BrokerGone {
  BrokerId id;
  int64_t epoch = -1;  // as SetFenced's
};
inline constexpr std::chrono::minutes kGoneDoubted{1};
// Refused with policy_violation while any partition has a replica on it, or it is a member of the quorum: what it holds
// would count as a replica for ever. Kafka takes any broker away.
struct UnregisterBroker {
  BrokerId id;
};

// ---- heartbeats
struct BrokerHeartbeat {
  BrokerId id;
  int64_t epoch = -1;
  Offset metadata_offset{-1};  // that its image is at
  bool want_fence = false;     // stays fenced, or becomes so
  bool want_shutdown = false;  // wants to hand over what it leads, and then to stop
};
struct BrokerHeartbeatReply {
  bool is_caught_up = false;  // has its own registration in its image, so everything before it
  bool is_fenced = true;
  bool should_shut_down = false;              // nothing is left that could be handed over
  int32_t left_without_leader = 0;            // with should_shut_down: partitions that nobody else could lead
  std::vector<PartitionName> without_leader;  // the first of them
};
inline constexpr size_t kNamedPartitionsMax = 10;  // in a reply that gives examples

// ---- time passes: once every kTickInterval, on the controller
inline constexpr std::chrono::milliseconds kTickInterval{100};
struct Tick {};
struct TickReply {
  bool more = false;             // a bound was reached: tick again at once
  std::vector<BrokerId> fenced;  // were silent for broker.session.timeout.ms
  int32_t partitions_changed = 0;
};

// ---- permits to stop
struct MayStop {
  BrokerId node;
  std::string holder;  // who asks; may ask again to keep it longer
  std::chrono::milliseconds ttl{0};
  // Partitions of one replica, and a quorum of one, are down while their broker is, whatever anybody waits for.
  bool accept_single_replicas = false;
};
enum class StopRule : uint8_t { other_permit, min_insync, no_other_leader, quorum_majority };
struct StopRefusal {
  StopRule rule = StopRule::min_insync;
  std::optional<PartitionName> partition;  // that the rule protects
  Timestamp since_ms = kNoTimestamp;       // wall time since which it is so, if known
  std::string words;                       // one sentence that says all of it
};
struct MayStopReply {
  std::vector<StopRefusal> refusals;  // none: granted; else the first kNamedPartitionsMax
  int32_t refusals_total = 0;
  Timestamp expires_ms = kNoTimestamp;  // wall time of the controller

  std::optional<StopRefusal> refusal() const {
    return refusals.empty() ? std::nullopt : std::optional(refusals.front());
  }
};
struct ReleasePermit {
  BrokerId node;
  std::string holder;  // policy_violation when another one has it; not_found when there is none
};

// ---- leadership moves to others that are in sync and have no permit. It comes back with the balance of preferred
// leaders, but for a broker that has a permit.
struct DrainLeadership {
  BrokerId node;
};
struct DrainLeadershipReply {
  int32_t moved = 0;
  int32_t left = 0;                       // that nobody else could lead now
  std::vector<PartitionName> first_left;  // kNamedPartitionsMax of them
  bool more = false;                      // kPartitionsPerCommandMax was reached: ask again
};

// ---- decommission
inline constexpr int32_t kDecommissionMovesDefault = 20;
struct Decommission {
  BrokerId node;
  int32_t moves_max = kDecommissionMovesDefault;  // partitions that move off it at a time
};
struct CancelDecommission {  // also takes back what is under way
  BrokerId node;
};
struct DecommissionProgress {
  Timestamp since_ms = kNoTimestamp;  // none: is not decommissioned
  int32_t moves_max = 0;
  int32_t partitions_left = 0;  // that have a replica on it
  int32_t moving = 0;
  int32_t stuck = 0;  // neither moving nor movable: no other broker may take them
  std::optional<PartitionName> first_stuck;
  std::optional<std::chrono::milliseconds> remaining;  // at the pace so far, as this controller has seen it
};

// ---- moves of replicas
inline constexpr int32_t kRebalanceMovesDefault = 20;
// Begins moves that spread replicas evenly (plan_rebalance()), so that `moves_max` partitions move at a time, whoever
// began that. To be asked again until nothing moves and nothing is left.
struct Rebalance {
  int32_t moves_max = kRebalanceMovesDefault;
};
struct PlannedMove {
  PartitionName partition;
  std::vector<BrokerId> before;  // replicas, the preferred leader first
  std::vector<BrokerId> after;
  friend bool operator==(const PlannedMove&, const PlannedMove&) = default;
};
struct MovePlan {
  std::vector<PlannedMove> moves;
  int32_t moving = 0;  // partitions that moved before, whoever began that
  int32_t left = 0;    // moves that would follow these: at least so many
  int32_t stuck = 0;   // replicas that would have to move and cannot
};

// ---- features
struct UpdateFeatures {
  enum class Kind : int8_t { upgrade = 1, safe_downgrade = 2, unsafe_downgrade = 3 };  // as on the wire
  struct Item {
    std::string name;
    int16_t level = 0;  // 0 removes it
    Kind kind = Kind::upgrade;
  };
  std::vector<Item> features;  // all or none
  bool validate_only = false;
};
// In order. Errors: invalid_update_version; feature_update_failed for those that another one kept from happening.
struct UpdateFeaturesReply {
  std::vector<std::pair<std::string, Status>> features;
};

// ---- the quorum, as its members are now; nothing is written when it is known
struct SetVoters {
  std::vector<VoterImage> voters;
};

}  // namespace millrace::metadata
