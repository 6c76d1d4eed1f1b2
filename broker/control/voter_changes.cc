#include "broker/control/voter_changes.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "broker/base/logger.h"
#include "broker/raft/core/quorum.h"

namespace millrace::control {
namespace {

const Logger kLog("control");

using Kind = raft::ChangeMembers::Kind;
using raft::Outcome;

std::string words_of(const raft::Member& member) {
  return "broker " + std::to_string(member.node.value()) + " with directory " + member.directory.to_string();
}

}  // namespace

struct VoterChanges::Change {
  raft::Member member;
  TimePoint deadline;
  Done done;
  Step step = nullptr;
  bool is_ours = false;  // there is a learner that this change answers for
  std::string waits_for;
};

VoterChanges::VoterChanges(VoterChangesOptions options) : options_(std::move(options)) {}
VoterChanges::~VoterChanges() { *alive_ = false; }

void VoterChanges::add(const QuorumMemberName& voter, Duration timeout, Done done) {
  begin(voter, timeout, std::move(done), &VoterChanges::step_add);
}

void VoterChanges::remove(const QuorumMemberName& voter, Duration timeout, Done done) {
  begin(voter, timeout, std::move(done), &VoterChanges::step_remove);
}

void VoterChanges::begin(const QuorumMemberName& voter, Duration timeout, Done done, Step first) {
  auto change = std::make_shared<Change>();
  change->member = {voter.id, voter.directory_id};
  change->deadline = options_.clock->now() + std::clamp<Duration>(timeout, Duration::zero(), kVoterTimeoutMax);
  change->done = std::move(done);
  change->step = first;
  if (changes_.size() >= kVoterChangesMax) {
    options_.loop->post([change] {
      change->done(Error{Errc::overloaded, "changes of the metadata quorum that are under way"});
    });
    return;
  }
  changes_.push_back(change);
  options_.loop->post([this, alive = alive_, change] {
    if (*alive) step(change);
  });
}

void VoterChanges::stop() {
  *alive_ = false;
  for (const auto& change : std::exchange(changes_, {})) {
    change->done(Error{Errc::shutting_down, "the metadata quorum"});
  }
}

void VoterChanges::finish(const std::shared_ptr<Change>& change, Status outcome) {
  changes_.remove(change);
  change->done(std::move(outcome));
}

void VoterChanges::step(const std::shared_ptr<Change>& change) {
  if (options_.status().state.role != raft::Role::leader) {
    if (!change->is_ours) return finish(change, Error{Errc::not_controller, "the metadata quorum"});
    return finish(change, Error{Errc::outcome_unknown, words_of(change->member) + " is a learner: add it again"});
  }
  (this->*change->step)(change);
}

// What cannot be done yet is tried again until the time is up; then a learner of this change is taken back.
void VoterChanges::step_later(const std::shared_ptr<Change>& change, std::string why) {
  change->waits_for = std::move(why);
  if (options_.clock->now() < change->deadline) {
    options_.loop->run_after(kVoterChangePause, [this, alive = alive_, change] {
      if (*alive) step(change);
    });
    return;
  }
  if (change->is_ours) {
    options_.change(Kind::remove, change->member, [member = change->member](Outcome outcome) {
      if (outcome != Outcome::done) {
        kLog.warn("a learner of the metadata quorum is left", {{"broker", member.node}});
      }
    });
  }
  finish(change, Error{Errc::timed_out, words_of(change->member) + ": " + change->waits_for});
}

void VoterChanges::step_add(const std::shared_ptr<Change>& change) {
  const raft::Configuration configuration = options_.status().configuration;
  const raft::Member& member = change->member;
  if (member.node.value() < 0 || member.directory == Uuid{}) {
    return finish(change, Error{Errc::invalid_argument, words_of(member) + " is none"});
  }
  const raft::Member* known = configuration.find(member.node);
  if (known != nullptr && configuration.has_voter(*known)) {
    return finish(change, Error{Errc::duplicate_voter, words_of(*known)});
  }
  if (const Status registered = check_registered(member); !registered) return finish(change, registered.error());
  if (known == nullptr) return ask(change, Kind::add_learner, member, false);
  // Left by a change that lost its leader.
  if (*known != member) return ask(change, Kind::remove, *known, false);
  change->is_ours = true;
  ask(change, Kind::promote, member, true);
}

// Who is not registered, or with another directory, could not be reached: its calls are refused.
Status VoterChanges::check_registered(const raft::Member& member) const {
  const metadata::ImagePointer image = options_.image();
  const metadata::BrokerImage* broker = image->find_broker(member.node);
  if (broker == nullptr) {
    return Error{Errc::broker_not_registered, words_of(member) + ": start it, so that it follows the metadata log"};
  }
  if (broker->directory_id != member.directory) {
    return Error{Errc::broker_not_registered,
                 words_of(member) + ": it is registered with directory " + broker->directory_id.to_string()};
  }
  return ok();
}

void VoterChanges::step_remove(const std::shared_ptr<Change>& change) {
  const raft::NodeStatus status = options_.status();
  const raft::Member& member = change->member;
  if (!status.configuration.has(member)) return finish(change, Error{Errc::voter_not_found, words_of(member)});
  if (status.configuration.has_voter(member)) {
    if (status.configuration.voters.size() == 1) {
      return finish(change, Error{Errc::invalid_argument, words_of(member) + " is the only voter"});
    }
    if (const Status stands = check_majority_without(status, member); !stands) return finish(change, stands.error());
  }
  ask(change, Kind::remove, member, true);
}

// The change counts under the voters that it leaves: if too few of them are there, it would never be through, and
// neither would anything after it.
Status VoterChanges::check_majority_without(const raft::NodeStatus& status, const raft::Member& member) const {
  const TimePoint now = options_.clock->now();
  size_t left = 0, live = 0;
  for (const raft::Member& voter : status.configuration.voters) {
    if (voter == member) continue;
    ++left;
    const auto follower = std::find_if(status.followers.begin(), status.followers.end(),
                                       [&](const auto& one) { return one.member == voter; });
    const bool is_leader = status.state.leader == voter;
    live += is_leader || (follower != status.followers.end() && now - follower->heard <= kVoterSilenceMax);
  }
  if (live >= raft::quorum_of(left)) return ok();
  return Error{Errc::policy_violation, "of the " + std::to_string(left) + " voters that would be left only " +
                                           std::to_string(live) + " are there: the quorum would stand still"};
}

// `is_last`: once it is done, so is the whole change.
void VoterChanges::ask(const std::shared_ptr<Change>& change, Kind kind, const raft::Member& member, bool is_last) {
  options_.change(kind, member, [this, alive = alive_, change, kind, is_last](Outcome outcome) {
    if (*alive) asked(change, kind, outcome, is_last);
  });
}

void VoterChanges::asked(const std::shared_ptr<Change>& change, Kind kind, Outcome outcome, bool is_last) {
  switch (outcome) {
    case Outcome::done:
      change->is_ours = change->is_ours || kind == Kind::add_learner;
      if (!is_last) return step(change);
      kLog.info(kind == Kind::remove ? "a voter has left the metadata quorum" : "the metadata quorum has a new voter",
                {{"broker", change->member.node}, {"directory", change->member.directory.to_string()}});
      return finish(change, ok());
    case Outcome::busy:
    case Outcome::already_member:
    case Outcome::unknown_member:  // another change came in between: the next look at the members tells
      return step_later(change, "another change of the metadata quorum is under way");
    case Outcome::not_caught_up:
      return step_later(change, "it does not have all of the metadata log");
    case Outcome::not_leader:
      return step(change);
    case Outcome::last_voter:
      return finish(change, Error{Errc::invalid_argument, words_of(change->member) + " is the only voter"});
    case Outcome::overloaded:
      return finish(change, Error{Errc::overloaded, "members of the metadata quorum"});
    case Outcome::unknown:
    case Outcome::timed_out:
    case Outcome::too_large:
      return finish(change, Error{Errc::outcome_unknown, "leadership of the metadata quorum was lost on the way"});
  }
}

QuorumDescription describe_quorum(const raft::NodeStatus& status, const metadata::ClusterImage& image,
                                  const Clock& clock) {
  const TimePoint now = clock.now();
  const Timestamp wall_ms = clock.wall_ms();
  const auto wall = [&](TimePoint at) {
    if (at == TimePoint{}) return kNoTimestamp;
    return wall_ms - std::chrono::duration_cast<std::chrono::milliseconds>(now - at).count();
  };
  QuorumDescription description;
  description.leader = status.state.leader ? status.state.leader->node : kNoBroker;
  description.epoch = status.state.term.value();
  // The first entry has index 1 and offset 0, so the last one's index is the end of the log.
  description.high_watermark = Offset{status.commit.value()};
  const auto add = [&](const raft::Member& member, QuorumReplica::Kind kind) -> QuorumReplica& {
    QuorumReplica& replica = description.replicas.emplace_back();
    replica.name = {member.node, member.directory};
    replica.kind = kind;
    const metadata::BrokerImage* broker = image.find_broker(member.node);
    if (broker != nullptr && broker->directory_id == member.directory) replica.rpc = broker->rpc;
    return replica;
  };
  if (status.state.leader) {
    QuorumReplica& self = add(*status.state.leader, QuorumReplica::Kind::voter);
    if (!status.configuration.has_voter(*status.state.leader)) self.kind = QuorumReplica::Kind::observer;
    self.log_end = Offset{status.last.value()};
    self.heard_ms = self.caught_up_ms = wall_ms;
  }
  using Follower = raft::NodeStatus::Follower::Kind;
  for (const raft::NodeStatus::Follower& follower : status.followers) {
    const bool votes = follower.kind == Follower::voter, learns = follower.kind == Follower::learner;
    QuorumReplica& replica = add(follower.member, votes    ? QuorumReplica::Kind::voter
                                                  : learns ? QuorumReplica::Kind::learner
                                                           : QuorumReplica::Kind::observer);
    if (follower.match > raft::Index{0}) replica.log_end = Offset{follower.match.value()};
    replica.heard_ms = wall(follower.heard);
    replica.caught_up_ms = wall(follower.caught_up);
  }
  std::sort(description.replicas.begin(), description.replicas.end(), [](const auto& a, const auto& b) {
    return std::tuple(a.kind, a.name.id, a.name.directory_id) < std::tuple(b.kind, b.name.id, b.name.directory_id);
  });
  return description;
}

}  // namespace millrace::control
