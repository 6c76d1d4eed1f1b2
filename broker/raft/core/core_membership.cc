#include <algorithm>

#include "broker/raft/core/core.h"

namespace millrace::raft {
namespace {

constexpr int kObserverTimeouts = 10;  // election timeouts of silence after which an observer is forgotten

void insert_sorted(std::vector<Member>& members, const Member& member) {
  members.insert(std::upper_bound(members.begin(), members.end(), member), member);
}

}  // namespace

void Core::on(ChangeMembers event) {
  if (leader() == nullptr) return answer(event.request, Outcome::not_leader);
  // The former change must be committed, and something of this term: otherwise two leaders that do not know of each
  // other's changes could count quorums that have no member in common.
  const bool settled = configurations_.newest_index() <= commit_ && leader()->no_op <= commit_;
  if (leader()->transfer || !settled) return answer(event.request, Outcome::busy);
  Configuration configuration = configurations_.newest();
  if (const auto refused = change(event, configuration)) return answer(event.request, *refused);
  append_entries(log_.last(), {Entry{hard_.term, EntryKind::configuration, configuration.encode()}});
  proposals_.push_back({event.request, log_.last(), 0});
  follow_configuration();
  send_to_all();
}

// Makes the change in `configuration`, or says why not.
std::optional<Outcome> Core::change(ChangeMembers event, Configuration& configuration) const {
  const Member& member = event.member;
  switch (event.kind) {
    case ChangeMembers::Kind::add_learner:
      if (configuration.find(member.node) != nullptr) return Outcome::already_member;
      if (configuration.voters.size() + configuration.learners.size() >= kMembersMax) return Outcome::overloaded;
      insert_sorted(configuration.learners, member);
      return std::nullopt;
    case ChangeMembers::Kind::promote:
      if (!configuration.has_learner(member)) return Outcome::unknown_member;
      if (!caught_up(member)) return Outcome::not_caught_up;
      std::erase(configuration.learners, member);
      insert_sorted(configuration.voters, member);
      return std::nullopt;
    case ChangeMembers::Kind::remove:
      if (!configuration.has(member)) return Outcome::unknown_member;
      if (configuration.has_voter(member) && configuration.voters.size() == 1) return Outcome::last_voter;
      std::erase(configuration.learners, member);
      std::erase(configuration.voters, member);
      return std::nullopt;
  }
  ENSURE(false);
  return std::nullopt;
}

// Or the quorum would grow before the node can help to form it.
bool Core::caught_up(const Member& member) const {
  const Leader& self = std::get<Leader>(role_);
  const auto found = self.followers.find(member);
  return found != self.followers.end() && found->second.match >= self.last_mark &&
         found->second.heard + options_.election_timeout_min >= now_;
}

// A leader that removes itself leads, without counting itself, until that is committed. Then another one stands at
// once: nobody has to wait for a silence.
void Core::leave_if_removed() {
  if (configurations_.newest_index() > commit_ || configurations_.newest().has_voter(options_.self)) return;
  heartbeat();  // says that it is
  if (const std::optional<Member> successor = most_of_the_log(std::nullopt)) send(*successor, TimeoutNow{});
  become_follower(std::nullopt);
}

// Of the other voters, or of that one: whom nobody surpasses.
std::optional<Member> Core::most_of_the_log(std::optional<NodeId> only) const {
  const Leader& self = std::get<Leader>(role_);
  const Progress* best = nullptr;
  std::optional<Member> most;
  for (const Member& voter : configurations_.newest().voters) {
    const auto found = self.followers.find(voter);
    if (is_self(voter) || found == self.followers.end() || (only && voter.node != *only)) continue;
    if (best != nullptr && found->second.match <= best->match) continue;
    best = &found->second;
    most = voter;
  }
  return most;
}

void Core::on(TransferLeadership event) {
  Leader* self = leader();
  if (self == nullptr) return answer(event.request, Outcome::not_leader);
  if (self->transfer) return answer(event.request, Outcome::busy);
  const std::optional<Member> target = most_of_the_log(event.target);
  if (!target) return answer(event.request, Outcome::unknown_member);
  self->transfer = Transfer{event.request, *target, now_ + options_.election_timeout_min};
  advance_transfer();
}

void Core::advance_transfer() {
  Leader* self = leader();
  if (self == nullptr || !self->transfer || self->transfer->told) return;
  const auto target = self->followers.find(self->transfer->target);
  if (target == self->followers.end() || target->second.match != log_.last()) return;
  // From here on somebody may be elected although this leader was just heard of; the message may even arrive after
  // the transfer was given up.
  self->lease_revoked = true;
  self->transfer->told = true;
  send(target->first, TimeoutNow{});
}

void Core::end_transfer(Outcome outcome) {
  if (!leader()->transfer) return;
  answer(leader()->transfer->request, outcome);
  leader()->transfer.reset();
}

void Core::on_timeout_now(const Member& from) {
  const auto* follower = std::get_if<Follower>(&role_);
  if (follower != nullptr && follower->leader == from && may_campaign()) campaign(true);
}

// In turn: whoever the log knows, and the contacts.
void Core::ask_to_follow() {
  hint_followed_ = false;
  std::vector<NodeId> nodes = options_.contacts;
  const Configuration& newest = configurations_.newest();
  for (const auto* known : {&newest.voters, &newest.learners}) {
    for (const Member& one : *known) nodes.push_back(one.node);
  }
  std::erase(nodes, options_.self.node);
  if (nodes.empty()) return;
  send({nodes[follow_turn_++ % nodes.size()], {}}, FollowRequest{});
}

void Core::on_follow_request(const Member& from) {
  Leader* self = leader();
  if (self == nullptr) return send(from, FollowReply{current_state().leader});
  if (const auto known = self->followers.find(from); known != self->followers.end()) {
    known->second.heard = now_;
    return;
  }
  const auto observers = std::count_if(self->followers.begin(), self->followers.end(),
                                       [](const auto& follower) { return follower.second.observer; });
  if (static_cast<size_t>(observers) >= options_.observers_max) return;
  Progress& progress = self->followers[from];
  progress.observer = true;
  progress.next = log_.last().next();
  progress.heard = now_;
  send_empty(from, progress);
}

void Core::on_follow_reply(const FollowReply& reply) {
  if (hint_followed_ || current_state().leader || !reply.leader || is_self(*reply.leader)) return;
  hint_followed_ = true;
  send(*reply.leader, FollowRequest{});
}

void Core::forget_silent_observers() {
  std::erase_if(leader()->followers, [this](const auto& follower) {
    return follower.second.observer && follower.second.heard + kObserverTimeouts * options_.election_timeout_min < now_;
  });
}

}  // namespace millrace::raft
