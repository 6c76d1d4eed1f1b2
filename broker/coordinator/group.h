#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/bytes.h"
#include "broker/base/clock.h"
#include "broker/base/strong_id.h"
#include "broker/coordinator/group_errc.h"

namespace millrace::coordinator {

using Generation = StrongId<struct GenerationTag, int32_t>;  // of a group; -1: none
inline constexpr Generation kNoGeneration{-1};

// Names a reply that waits for its group; 0: none waits.
using ReplyToken = uint64_t;

// empty: no members. preparing: members are (re)joining. completing: the leader computes the assignment. stable: every
// member may fetch its part of the assignment. A group that does not exist is shown as "Dead".
enum class GroupPhase : uint8_t { empty, preparing_rebalance, completing_rebalance, stable };
std::string_view to_string(GroupPhase phase);
inline constexpr std::string_view kDeadPhase = "Dead";

struct JoinProtocol {
  std::string name;
  Bytes metadata;
  friend bool operator==(const JoinProtocol&, const JoinProtocol&) = default;
};

struct Member {
  std::string id;
  std::optional<std::string> instance_id;  // of a static member
  std::string client_id;
  std::string client_host;
  int32_t rebalance_timeout_ms = 0;
  int32_t session_timeout_ms = 0;
  std::vector<JoinProtocol> protocols;  // in order of preference
  Bytes assignment;

  // In memory only.
  TimePoint heard{};          // last time; the session runs from here
  bool is_new = true;         // has not got the answer to its first join
  bool sync_pending = false;  // has joined the generation, has not asked for its assignment yet
  ReplyToken join = 0;        // waits for the end of the join phase
  ReplyToken sync = 0;        // waits for the assignment

  const Bytes* metadata(std::string_view protocol) const;  // null when it does not support it
  // When to give it up; none while it waits for an answer of ours (it cannot heartbeat then).
  std::optional<TimePoint> deadline() const;
};
using MemberPointer = std::shared_ptr<const Member>;

// One classic consumer group. A value: transitions (transition.h) work on a copy, members are shared until edited.
struct Group {
  std::string id;
  GroupPhase phase = GroupPhase::empty;
  std::optional<std::string> protocol_type;  // none: only offsets were committed ("simple" group)
  Generation generation{0};
  std::optional<std::string> protocol;
  std::optional<std::string> leader;
  Timestamp phase_since = kNoTimestamp;  // as logged: since when it has been stable or empty
  std::map<std::string, MemberPointer, std::less<>> members;
  std::map<std::string, std::string, std::less<>> instances;  // instance id -> member id

  // In memory only.
  std::map<std::string, TimePoint, std::less<>> pending;  // ids given out (error 79) and until when they are kept
  std::optional<TimePoint> join_deadline;                 // of preparing_rebalance
  bool is_initial_delay = false;                          // the join phase waits for more members, whoever is there
  bool member_added = false;                              // since the initial delay was last extended
  Duration initial_remaining{};                           // by which the initial delay may still be extended
  std::optional<TimePoint> sync_deadline;  // members that have not asked for their assignment until then are removed

  const Member* find(std::string_view member_id) const;
  Member& edit(std::string_view member_id);  // a copy of its own; the member exists
  bool is_leader(std::string_view member_id) const { return leader && *leader == member_id; }
  // none, unknown_member_id, or fenced_instance_id when another member runs under the instance id.
  GroupErrc check_member(std::string_view member_id, const std::optional<std::string>& instance_id) const;
  bool supports(std::string_view type, const std::vector<JoinProtocol>& protocols) const;
  // The one that most members prefer among those that all support; ties go to the leader's preference.
  std::string vote() const;
  bool all_joined() const;
  size_t joining() const;              // members that wait in the join phase
  Duration rebalance_timeout() const;  // the longest of its members
  std::optional<TimePoint> earliest_deadline() const;
  // Topics that members subscribe to (KIP-211): none when the group is not a stable one of consumers, or a
  // subscription cannot be read; then nothing may expire.
  std::optional<std::vector<std::string>> subscribed_topics() const;
};

}  // namespace millrace::coordinator
