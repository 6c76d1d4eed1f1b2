#pragma once

#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <variant>

#include "broker/raft/core/progress.h"

// What a core keeps in each role, and loses with it.
namespace millrace::raft {

struct Follower {
  std::optional<Member> leader;
  // Up to where the log was compared with that of this term's leader and is the same.
  Index verified;
};

struct PreCandidate {
  std::map<Member, bool> votes;
};

struct Candidate {
  std::map<Member, bool> votes;
  bool transfer = false;
};

// A read that waits for a quorum to confirm that this is still the leader.
struct PendingRead {
  std::optional<Member> from;  // the follower that asked; none for this node's own
  RequestId request;
  Index index;           // what has to be applied; 0 as long as the term's first entry is not committed
  HeartbeatRound round;  // which a quorum must have answered
};

struct Transfer {
  RequestId request;
  Member target;
  TimePoint deadline;
  bool told = false;
};

struct Leader {
  ProgressMap followers;
  Index no_op;      // the first entry of the term; nothing of the log counts as committed before it is
  Index last_mark;  // where the log ended within the last election timeout
  HeartbeatRound round;
  HeartbeatRound confirmed;                                  // newest round that a quorum has answered
  std::deque<std::pair<HeartbeatRound, TimePoint>> started;  // rounds that are not confirmed
  std::optional<TimePoint> quorum_at;  // start of the newest confirmed round: then this was the leader
  bool lease_revoked = false;          // somebody was told to stand in this term
  std::deque<PendingRead> reads;
  std::optional<Transfer> transfer;
  TimePoint heartbeat_due;
  TimePoint quorum_check_due;
};

using RoleData = std::variant<Follower, PreCandidate, Candidate, Leader>;

}  // namespace millrace::raft
