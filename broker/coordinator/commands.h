#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/coordinator/group.h"
#include "broker/coordinator/offsets.h"

namespace millrace::coordinator {

// What a coordinator is asked and what it answers, as values. Wire versions and nulls are the handlers' business.

struct JoinCommand {
  std::string group;
  std::string member_id;  // "": a new member
  std::optional<std::string> instance_id;
  std::string protocol_type;
  std::vector<JoinProtocol> protocols;
  int32_t rebalance_timeout_ms = 0;
  int32_t session_timeout_ms = 0;
  std::string client_id;
  std::string client_host;
  bool needs_known_id = false;       // JoinGroup 4+: a new dynamic member first gets an id (error 79)
  bool can_skip_assignment = false;  // JoinGroup 9+: a returning static leader is told to leave the assignment alone
  std::string new_member_id;         // for a new member; unique
  ReplyToken token = 0;
};
struct JoinedMember {
  std::string id;
  std::optional<std::string> instance_id;
  Bytes metadata;  // of the chosen protocol
};
struct JoinReply {
  GroupErrc error = GroupErrc::none;
  Generation generation = kNoGeneration;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol;
  std::string leader;
  bool skip_assignment = false;
  std::string member_id;
  std::vector<JoinedMember> members;  // for the leader only
};

struct SyncCommand {
  std::string group;
  std::string member_id;
  std::optional<std::string> instance_id;
  Generation generation;
  std::optional<std::string> protocol_type;  // SyncGroup 5+, checked when there
  std::optional<std::string> protocol;
  std::vector<std::pair<std::string, Bytes>> assignments;  // by member id; the leader's count
  ReplyToken token = 0;
};
struct SyncReply {
  GroupErrc error = GroupErrc::none;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol;
  Bytes assignment;
};

struct HeartbeatCommand {
  std::string group;
  std::string member_id;
  std::optional<std::string> instance_id;
  Generation generation;
};

struct LeavingMember {
  std::string member_id;  // "" with an instance id: an administrator removes a static member
  std::optional<std::string> instance_id;
};
struct LeaveCommand {
  std::string group;
  std::vector<LeavingMember> members;
};
struct LeaveReply {
  std::vector<GroupErrc> members;  // as in the command
};

struct CommitItem {
  std::string topic;
  PartitionIndex partition;
  Offset offset;
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  std::string metadata;
};
struct CommitCommand {
  std::string group;
  std::string member_id;
  std::optional<std::string> instance_id;
  Generation generation = kNoGeneration;
  bool knows_group_not_found = false;   // OffsetCommit 9+; older clients get illegal_generation
  std::optional<int64_t> retention_ms;  // OffsetCommit 2 to 4
  std::vector<CommitItem> items;
};
struct CommitReply {
  std::vector<GroupErrc> items;  // as in the command
};

struct FetchOffsetsCommand {
  std::string group;
  // None: everything the group has committed.
  std::optional<std::vector<std::pair<std::string, std::vector<PartitionIndex>>>> topics;
};
struct FetchOffsetsReply {
  GroupErrc error = GroupErrc::none;
  // A partition without a committed offset has offset -1.
  std::vector<std::pair<std::string, std::vector<std::pair<PartitionIndex, CommittedOffset>>>> topics;
};

inline constexpr std::string_view kClassicGroupType = "classic";
struct ListCommand {
  std::vector<std::string> states;  // empty: any; case does not matter
  std::vector<std::string> types;
};
struct GroupListing {
  std::string id;
  std::string protocol_type;  // "" of a simple group
  GroupPhase phase = GroupPhase::empty;
};
struct ListReply {
  GroupErrc error = GroupErrc::none;
  std::vector<GroupListing> groups;
};

struct DescribedMember {
  std::string id;
  std::optional<std::string> instance_id;
  std::string client_id;
  std::string client_host;
  Bytes metadata;  // of the chosen protocol, once stable
  Bytes assignment;
};
struct GroupDescription {
  GroupErrc error = GroupErrc::none;  // group_id_not_found, or of the coordinator
  std::string id;
  std::string state;  // "Dead" when it does not exist
  std::string protocol_type;
  std::string protocol;  // once stable
  std::vector<DescribedMember> members;
};

// One step of removing a group: its offsets may be more than fit one batch of records.
struct DeleteStep {
  GroupErrc error = GroupErrc::none;
  bool more = false;
};

}  // namespace millrace::coordinator
