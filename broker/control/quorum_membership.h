#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/base/uuid.h"
#include "broker/metadata/cluster_image.h"

namespace millrace::control {

// A change of the quorum that is not through by then is given up.
inline constexpr std::chrono::milliseconds kMembershipTimeout{30'000};

// A broker and its data directory: one that comes back with an empty disk is another member.
struct QuorumMemberName {
  BrokerId id;
  Uuid directory_id;
  friend bool operator==(const QuorumMemberName&, const QuorumMemberName&) = default;
};

// One that receives the metadata log, as its leader sees it.
struct QuorumReplica {
  enum class Kind : uint8_t { voter, learner, observer };  // a learner is about to become a voter
  QuorumMemberName name;
  Kind kind = Kind::observer;
  metadata::RpcEndpoint rpc;              // where other brokers reach it; host "": not known
  Offset log_end{-1};                     // first offset that it does not hold durably; -1: not known yet
  Timestamp heard_ms = kNoTimestamp;      // wall time of its last sign of life
  Timestamp caught_up_ms = kNoTimestamp;  // wall time at which it last had everything; none: never under this leader
  friend bool operator==(const QuorumReplica&, const QuorumReplica&) = default;
};

struct QuorumDescription {
  BrokerId leader = kNoBroker;
  int64_t epoch = 0;  // the leader's term
  Offset high_watermark{-1};
  std::vector<QuorumReplica> replicas;  // voters first, then learners, then observers; each by name
  friend bool operator==(const QuorumDescription&, const QuorumDescription&) = default;
};

// Who votes on the metadata log, asked and changed at the broker that leads it; every other one answers
// not_controller, and nothing happened. Every call returns at once; `done` is called exactly once, on any thread.
// Thread-safe. Implemented by MetadataQuorum.
//
// One change is made at a time: one that finds another under way waits for it, within its timeout. Further errors:
// timed_out (the words say what it waited for: nothing is left of the change, unless they say that it may still
// happen), outcome_unknown (leadership was lost on the way: describe() on the new leader tells), shutting_down.
class QuorumMembership {
 public:
  template <class Reply>
  using Done = std::function<void(Result<Reply>)>;

  virtual ~QuorumMembership() = default;

  // Lets a broker that follows the log vote: it becomes a learner, and a voter as soon as it has all of the log, which
  // is when this is answered. invalid_argument: the name is none; duplicate_voter: it, or the broker with another
  // directory, votes already; broker_not_registered: no broker with that directory is registered, so nobody knows where
  // it is; overloaded: the quorum has as many members as it can have.
  virtual void add_voter(const QuorumMemberName& voter, Duration timeout, Done<Unit> done) = 0;

  // Takes its vote away; the broker goes on as one that follows the log. Also ends what is left of an add_voter() that
  // lost its leader. Whoever leads may remove itself: another one takes over. voter_not_found: no such voter or
  // learner; invalid_argument: it is the only voter; policy_violation: without it fewer than a majority of the others
  // would be there, so the quorum would stand still.
  virtual void remove_voter(const QuorumMemberName& voter, Duration timeout, Done<Unit> done) = 0;

  // What the leader knows; not older than half a heartbeat of the quorum. Never waits for other brokers.
  virtual Result<QuorumDescription> describe() const = 0;
};

}  // namespace millrace::control
