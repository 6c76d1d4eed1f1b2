#include "broker/raft/core/core.h"

#include <algorithm>
#include <utility>

namespace millrace::raft {
namespace {

constexpr size_t kHeldMessagesMax = 4096;  // beyond it messages count as lost

LogView view_of(const Restored& restored) {
  if (restored.log_is_stale()) return LogView(restored.snapshot.last, {}, restored.snapshot.last.index);
  return LogView(restored.base, restored.terms, restored.last);
}

}  // namespace

Core::Core(const Options& options, const Restored& restored, TimePoint now)
    : options_(options),
      hard_(restored.hard),
      log_(view_of(restored)),
      snapshot_(restored.snapshot),
      configurations_(restored.snapshot),
      durable_(log_.last()),
      commit_(restored.snapshot.last.index),
      applied_(commit_),
      handed_out_(commit_),
      now_(now),
      leader_heard_(now),
      jitter_state_(options.seed) {
  ENSURE(options_.heartbeat_interval < options_.election_timeout_min);
  for (const auto& [index, configuration] : restored.configurations) {
    if (index <= log_.last()) configurations_.append(index, configuration);
  }
  // Entries may have become durable before the hard state of their term: no vote was sent in it.
  if (const Term newest = log_.last_position().term; newest > hard_.term) hard_ = {newest, std::nullopt};
  reported_ = current_state();
  restart_election_timer();
  const auto& voters = configurations_.newest().voters;
  const bool alone = voters.size() == 1 && is_self(voters.front());
  if (alone || !may_campaign()) election_due_ = now;  // there is nobody to wait for
}

Output Core::step(Event event) {
  out_ = Output{};
  now_ = std::max(now_, event.now);
  std::visit([this](auto& what) { on(what); }, event.what);
  hand_out_entries();
  log_.evict(durable_.index(), options_.cache_bytes_max);
  report();
  return std::exchange(out_, Output{});
}

void Core::on(Tick) {
  give_up_reads(false);
  if (Leader* self = leader()) {
    if (self->transfer && now_ >= self->transfer->deadline) end_transfer(Outcome::timed_out);
    if (now_ >= self->quorum_check_due) check_quorum();
    if ((self = leader()) != nullptr && now_ >= self->heartbeat_due) heartbeat();
  } else if (now_ >= election_due_) {
    on_election_timeout();
  }
}

void Core::on(Received& event) {
  Message& message = event.message;
  if (is_self(message.from)) return;
  if (std::holds_alternative<FollowRequest>(message.body)) {
    if (message.to == options_.self || message.to == Member{options_.self.node, {}}) on_follow_request(message.from);
    return;
  }
  if (message.to != options_.self) return;  // to a disk that is no longer here
  if (const auto* reply = std::get_if<FollowReply>(&message.body)) return on_follow_reply(*reply);
  const auto* vote = std::get_if<VoteRequest>(&message.body);
  if (vote != nullptr && vote->pre) return on_vote_request(message.from, message.term, *vote);
  // Somebody who wants an election although all is well: its term is not taken over.
  if (vote != nullptr && message.term > hard_.term && !vote->transfer && heard_leader_lately()) return;
  if (message.term > hard_.term) adopt(message.term);
  if (vote != nullptr) return on_vote_request(message.from, message.term, *vote);
  if (auto* append = std::get_if<AppendRequest>(&message.body)) {
    // An older leader learns of the term, or it would go on for ever while this node is refused elsewhere.
    if (message.term < hard_.term) return send(message.from, AppendReply{.round = append->round});
    return on_append_request(message.from, *append);
  }
  if (auto* chunk = std::get_if<SnapshotChunk>(&message.body)) {
    const Position snapshot = chunk->meta.last;
    if (message.term < hard_.term) return send(message.from, SnapshotReply{.snapshot = snapshot});
    return on_snapshot_chunk(message.from, *chunk);
  }
  // A pre-vote is answered by nodes of an older term as well.
  const auto* vote_reply = std::get_if<VoteReply>(&message.body);
  if (message.term < hard_.term && !(vote_reply != nullptr && vote_reply->pre)) return;
  if (vote_reply != nullptr) return on_vote_reply(message.from, *vote_reply);
  if (const auto* reply = std::get_if<AppendReply>(&message.body)) return on_append_reply(message.from, *reply);
  if (const auto* read = std::get_if<ReadIndexRequest>(&message.body)) {
    return on_read_request(message.from, read->request);
  }
  if (const auto* read = std::get_if<ReadIndexReply>(&message.body)) return on_read_reply(*read);
  if (const auto* reply = std::get_if<SnapshotReply>(&message.body)) return on_snapshot_reply(message.from, *reply);
  if (std::holds_alternative<TimeoutNow>(message.body)) on_timeout_now(message.from);
}

void Core::on(HardStateDurable event) {
  hard_durable_ = std::max(hard_durable_, event.sequence);
  for (; !held_.empty() && held_.front().needs <= hard_durable_; held_.pop_front()) {
    out_.messages.push_back(std::move(held_.front().message));
  }
  count_own_vote();
}

// Every message says a term and may depend on a vote: it leaves once both are durable.
void Core::send(const Member& to, MessageBody body) {
  Message message{options_.self, to, hard_.term, std::move(body)};
  if (hard_durable_ >= hard_issued_) {
    out_.messages.push_back(std::move(message));
  } else if (held_.size() < kHeldMessagesMax) {
    held_.push_back({hard_issued_, std::move(message)});
  }
}

void Core::set_hard_state(HardState state) {
  if (state.term != hard_.term) held_.clear();  // they belong to a term that is over
  hard_ = state;
  hard_issued_ = hard_issued_.next();
  out_.hard_state = HardStateWrite{hard_issued_, hard_};
}

// A newer term: the vote is cleared in the same write.
void Core::adopt(Term term) {
  ENSURE(term > hard_.term);
  set_hard_state({term, std::nullopt});
  if (!installing()) incoming_.reset();  // it was another leader's
  become_follower(std::nullopt);
}

void Core::become_follower(std::optional<Member> leader_now) {
  if (leader() != nullptr) {
    lose_proposals();
    lose_reads();
    end_transfer(leader()->transfer && leader()->transfer->told ? Outcome::done : Outcome::unknown);
    restart_election_timer();
  }
  give_up_reads(true);
  role_ = Follower{leader_now, {}};
}

void Core::hear_leader(const Member& from) {
  auto* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || follower->leader != from) {
    ENSURE(leader() == nullptr);  // two leaders in one term
    ENSURE(follower == nullptr || !follower->leader);
    become_follower(from);
  }
  leader_heard_ = now_;
  restart_election_timer();
}

RoleState Core::current_state() const {
  struct Describe {
    const Core& core;
    RoleState operator()(const Follower& role) const { return {Role::follower, core.hard_.term, role.leader}; }
    RoleState operator()(const PreCandidate&) const { return {Role::pre_candidate, core.hard_.term, std::nullopt}; }
    RoleState operator()(const Candidate&) const { return {Role::candidate, core.hard_.term, std::nullopt}; }
    RoleState operator()(const Leader&) const { return {Role::leader, core.hard_.term, core.options_.self}; }
  };
  return std::visit(Describe{*this}, role_);
}

void Core::report() {
  if (RoleState state = current_state(); state != reported_) {
    reported_ = state;
    out_.state = state;
  }
  const Leader* self = leader();
  out_.next_tick = self != nullptr ? std::min(self->heartbeat_due, self->quorum_check_due) : election_due_;
  if (self != nullptr && self->transfer) out_.next_tick = std::min(out_.next_tick, self->transfer->deadline);
  if (!forwarded_reads_.empty()) out_.next_tick = std::min(out_.next_tick, forwarded_reads_.front().second);
}

const ProgressMap* Core::followers() const {
  const auto* self = std::get_if<Leader>(&role_);
  return self == nullptr ? nullptr : &self->followers;
}

const Progress* Core::progress_of(const Member& member) const {
  const ProgressMap* all = followers();
  if (all == nullptr) return nullptr;
  const auto found = all->find(member);
  return found == all->end() ? nullptr : &found->second;
}

}  // namespace millrace::raft
