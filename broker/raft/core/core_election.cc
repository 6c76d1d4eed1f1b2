#include "broker/raft/core/core.h"
#include "broker/raft/core/quorum.h"

namespace millrace::raft {
namespace {

// splitmix64: the jitter needs to be spread, not to be hard to guess.
uint64_t next_random(uint64_t& state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

}  // namespace

void Core::restart_election_timer() {
  const auto spread = static_cast<uint64_t>(options_.election_jitter_max.count()) + 1;
  const auto jitter = Duration(static_cast<Duration::rep>(next_random(jitter_state_) % spread));
  election_due_ = now_ + options_.election_timeout_min + jitter;
}

// A member that the newest configuration leaves out may still be needed to commit just that: two voters of which one
// removes itself and is the only one to hold the entry would wait for each other for ever. So it may stand until the
// removal is known to be committed.
bool Core::may_campaign() const { return !installing() && configurations_.has_voter_since(commit_, options_.self); }

// Compared with the minimum timeout, not with this node's own: a candidate would have to wait for the slowest timer.
bool Core::heard_leader_lately() const {
  return std::holds_alternative<Leader>(role_) || now_ < leader_heard_ + options_.election_timeout_min;
}

void Core::on_election_timeout() {
  restart_election_timer();
  give_up_reads(true);
  if (may_campaign()) {
    pre_campaign();
  } else if (auto* follower = std::get_if<Follower>(&role_)) {
    follower->leader.reset();  // another one may lead by now; who still names this one is not followed
  }
  // A voter that was removed without having heard of it asks in vain for votes: the log will tell.
  if (current_state().role != Role::leader && !installing()) ask_to_follow();
}

void Core::pre_campaign() {
  role_ = PreCandidate{{{options_.self, true}}};
  if (won(std::get<PreCandidate>(role_).votes)) return campaign(false);
  ask_for_votes(hard_.term.next(), true, false);
}

void Core::campaign(bool transfer) {
  set_hard_state({hard_.term.next(), options_.self});
  role_ = Candidate{{}, transfer};
  restart_election_timer();
  ask_for_votes(hard_.term, false, transfer);
}

void Core::ask_for_votes(Term election, bool pre, bool transfer) {
  for (const Member& voter : configurations_.newest().voters) {
    if (!is_self(voter)) send(voter, VoteRequest{election, durable_position(), pre, transfer});
  }
}

bool Core::won(const std::map<Member, bool>& votes) const {
  const auto& voters = configurations_.newest().voters;
  size_t granted = 0;
  for (const Member& voter : voters) {
    const auto vote = votes.find(voter);
    granted += vote != votes.end() && vote->second ? 1 : 0;
  }
  return granted >= quorum_of(voters.size());
}

// What is still being written may be gone after a crash: no election rests on it.
Position Core::durable_position() const {
  const Index end = durable_.index();
  return {end, *log_.term_at(end)};
}

void Core::on_vote_request(const Member& from, Term term, const VoteRequest& request) {
  const auto refuse = [&] { send(from, VoteReply{request.election, request.pre, false}); };
  if (term < hard_.term || request.election < hard_.term || installing()) return refuse();
  if (request.pre) {
    const bool willing =
        request.election > hard_.term && !heard_leader_lately() && at_least_as_new(request.last, durable_position());
    return send(from, VoteReply{request.election, true, willing});
  }
  const bool free = !hard_.vote || *hard_.vote == from;
  if (!free || !at_least_as_new(request.last, durable_position())) return refuse();
  if (!request.transfer && heard_leader_lately()) return refuse();
  if (!hard_.vote) set_hard_state({hard_.term, from});
  if (std::holds_alternative<PreCandidate>(role_)) become_follower(std::nullopt);
  restart_election_timer();
  send(from, VoteReply{request.election, false, true});
}

void Core::on_vote_reply(const Member& from, const VoteReply& reply) {
  if (auto* role = std::get_if<PreCandidate>(&role_); role != nullptr && reply.pre) {
    if (reply.election != hard_.term.next()) return;
    role->votes.emplace(from, reply.granted);
    if (won(role->votes)) campaign(false);
  } else if (auto* standing = std::get_if<Candidate>(&role_); standing != nullptr && !reply.pre) {
    if (reply.election != hard_.term) return;
    standing->votes.emplace(from, reply.granted);
    if (won(standing->votes)) become_leader();
  }
}

// A candidate's vote for itself counts like any other: once it is durable.
void Core::count_own_vote() {
  auto* role = std::get_if<Candidate>(&role_);
  if (role == nullptr || hard_durable_ < hard_issued_) return;
  role->votes.emplace(options_.self, true);
  if (won(role->votes)) become_leader();
}

void Core::become_leader() {
  role_ = Leader{};
  Leader& self = *leader();
  self.no_op = self.last_mark = log_.last().next();
  self.heartbeat_due = now_ + options_.heartbeat_interval;
  self.quorum_check_due = now_ + options_.election_timeout_min;
  follow_configuration();
  // Without an entry of this term nothing older would ever count as committed.
  append_entries(log_.last(), {Entry{hard_.term, EntryKind::no_op, {}}});
  send_to_all();
}

void Core::check_quorum() {
  Leader& self = *leader();
  const auto& voters = configurations_.newest().voters;
  size_t heard = 0;
  for (const Member& voter : voters) {
    const auto found = self.followers.find(voter);
    const bool recent = found != self.followers.end() && found->second.heard + options_.election_timeout_min >= now_;
    heard += is_self(voter) || recent ? 1 : 0;
  }
  if (heard < quorum_of(voters.size())) return become_follower(std::nullopt);
  forget_silent_observers();
  self.last_mark = log_.last();
  self.quorum_check_due = now_ + options_.election_timeout_min;
}

}  // namespace millrace::raft
