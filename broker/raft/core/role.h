#pragma once

#include <map>
#include <optional>
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

struct Leader {
  ProgressMap followers;
  Index no_op;  // the first entry of the term; nothing of the log counts as committed before it is
  HeartbeatRound round;
  TimePoint heartbeat_due;
  TimePoint quorum_check_due;
};

using RoleData = std::variant<Follower, PreCandidate, Candidate, Leader>;

}  // namespace millrace::raft
