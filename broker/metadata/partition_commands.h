#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/base/uuid.h"
#include "broker/metadata/cluster_image.h"

namespace millrace::metadata {

// Commands about partitions that exist. A command may name kPartitionsPerCommandMax partitions; further ones are
// answered `overloaded`, and the caller asks again for them.

struct PartitionName {
  std::string topic;
  PartitionIndex partition;
  friend auto operator<=>(const PartitionName&, const PartitionName&) = default;
};

// ---- a leader changes the in-sync set
struct AlterPartition {
  struct Member {
    BrokerId id;
    int64_t epoch = -1;  // of its registration, as the leader knows it; -1: unknown (KIP-903)
  };
  struct Item {
    Uuid topic;
    PartitionIndex partition;
    LeaderEpoch leader_epoch;
    int32_t partition_epoch = 0;  // of the state that the change is derived from
    std::vector<Member> isr;      // the new set
  };
  BrokerId leader;
  int64_t epoch = -1;  // of its registration
  std::vector<Item> partitions;
};
// One for each item, in order. Errors: unknown_topic_id, unknown_topic_or_partition; not_controller (the leader knows
// more than this controller); fenced_leader_epoch; invalid_update_version (derived from an older state);
// invalid_argument (not the leader, not a set of replicas with the leader in it); ineligible_replica (a member is
// fenced, shuts down, or is registered anew); new_leader_elected (done, and it completed a reassignment by which the
// leader changed).
struct AlteredPartition {
  Uuid topic;
  PartitionIndex partition;
  Status outcome = ok();
  std::optional<PartitionImage> state;  // as it is now, if there is such a partition
};
struct AlterPartitionReply {
  std::vector<AlteredPartition> partitions;
};

// ---- elections
enum class ElectionKind : int8_t { preferred = 0, unclean = 1 };  // as on the wire
struct ElectLeaders {
  ElectionKind kind = ElectionKind::preferred;
  std::optional<std::vector<PartitionName>> partitions;  // none: all that need it
};
// For all partitions only those that needed an election. Errors: unknown_topic_or_partition, election_not_needed,
// preferred_leader_not_available, eligible_leaders_not_available.
struct ElectLeadersReply {
  std::vector<std::pair<PartitionName, Status>> partitions;
};

// ---- reassignment (KIP-455)
struct AlterReassignments {
  struct Item {
    PartitionName partition;
    std::optional<std::vector<BrokerId>> replicas;  // the target, preferred leader first; none: cancel
  };
  std::vector<Item> partitions;
  bool allow_replication_factor_change = true;
};
// In order. Errors: unknown_topic_or_partition, invalid_replica_assignment, invalid_replication_factor,
// no_reassignment_in_progress.
struct AlterReassignmentsReply {
  std::vector<std::pair<PartitionName, Status>> partitions;
};
struct Reassignment {
  PartitionName partition;
  std::vector<BrokerId> replicas;  // those that go included
  std::vector<BrokerId> adding;
  std::vector<BrokerId> removing;
};
// Reassignments that are under way, in order of name: of `partitions` (unknown ones are skipped), or all.
std::vector<Reassignment> list_reassignments(const ClusterImage& image,
                                             const std::optional<std::vector<PartitionName>>& partitions);

}  // namespace millrace::metadata
