#include <algorithm>

#include "broker/raft/core/core.h"
#include "broker/raft/core/quorum.h"

namespace millrace::raft {

void Core::on(Read event) {
  const auto* follower = std::get_if<Follower>(&role_);
  if (leader() != nullptr) {
    if (leader()->reads.size() + confirmed_reads_.size() >= options_.reads_max) {
      return answer(event.request, Outcome::overloaded);
    }
    return add_read(std::nullopt, event.request);
  }
  if (follower == nullptr || !follower->leader) return answer(event.request, Outcome::not_leader);
  if (forwarded_reads_.size() + confirmed_reads_.size() >= options_.reads_max) {
    return answer(event.request, Outcome::overloaded);
  }
  forwarded_reads_.emplace_back(event.request, now_ + options_.election_timeout_min);
  send(*follower->leader, ReadIndexRequest{event.request});
}

void Core::on_read_request(const Member& from, RequestId request) {
  if (leader() == nullptr || leader()->reads.size() >= options_.reads_max) return;
  add_read(from, request);
}

void Core::on_read_reply(const ReadIndexReply& reply) {
  const auto asked = std::find_if(forwarded_reads_.begin(), forwarded_reads_.end(),
                                  [&](const auto& read) { return read.first == reply.request; });
  if (asked == forwarded_reads_.end()) return;
  forwarded_reads_.erase(asked);  // nearly always the first
  confirmed_reads_.push_back({reply.request, reply.index});
  answer_reads();
}

void Core::add_read(std::optional<Member> from, RequestId request) {
  Leader& self = *leader();
  if (self.no_op <= commit_ && has_lease()) return release_read({from, request, commit_, {}});
  self.reads.push_back({from, request, {}, {}});
  start_reads();
}

// What is committed now is what these reads have to see, once a quorum has answered a heartbeat that is sent from now
// on. Before the first entry of the term is committed, nobody knows how far the former leader had come. One round at a
// time: reads that come while it is under way share the next.
void Core::start_reads() {
  Leader& self = *leader();
  if (commit_ < self.no_op) return;
  for (auto it = self.reads.rbegin(); it != self.reads.rend() && it->round == HeartbeatRound{}; ++it) {
    it->index = commit_;
    it->round = self.round.next();
  }
  if (!self.reads.empty() && self.confirmed == self.round) heartbeat();
}

void Core::confirm_round() {
  Leader& self = *leader();
  std::vector<HeartbeatRound> answered;
  for (const Member& voter : configurations_.newest().voters) {
    const auto found = self.followers.find(voter);
    answered.push_back(is_self(voter)                  ? self.round
                       : found == self.followers.end() ? HeartbeatRound{}
                                                       : found->second.answered);
  }
  const HeartbeatRound reached = reached_by_quorum(std::move(answered), HeartbeatRound{});
  if (reached <= self.confirmed) return;
  self.confirmed = reached;
  for (; !self.started.empty() && self.started.front().first <= reached; self.started.pop_front()) {
    self.quorum_at = self.started.front().second;
  }
  // Those of an assigned round come first, in its order.
  while (!self.reads.empty() && self.reads.front().round != HeartbeatRound{} && self.reads.front().round <= reached) {
    const PendingRead read = self.reads.front();
    self.reads.pop_front();
    release_read(read);
  }
  start_reads();
}

// Voters refuse every other candidate for one timeout after they heard this leader, which was after the round began.
bool Core::has_lease() const {
  const Leader& self = std::get<Leader>(role_);
  return options_.lease_reads && !self.lease_revoked && self.quorum_at &&
         now_ < *self.quorum_at + options_.election_timeout_min - options_.clock_drift_max;
}

void Core::release_read(const PendingRead& read) {
  if (read.from) return send(*read.from, ReadIndexReply{read.request, read.index});
  confirmed_reads_.push_back({read.request, read.index});
  answer_reads();
}

void Core::answer_reads() {
  std::erase_if(confirmed_reads_, [this](const ReadWaiting& read) {
    if (read.index > applied_) return false;
    answer(read.request, Outcome::done, read.index);
    return true;
  });
}

// The leader is gone, or has not answered in time.
void Core::give_up_reads(bool all) {
  for (; !forwarded_reads_.empty() && (all || now_ >= forwarded_reads_.front().second); forwarded_reads_.pop_front()) {
    answer(forwarded_reads_.front().first, Outcome::not_leader);
  }
}

void Core::lose_reads() {
  for (const PendingRead& read : leader()->reads) {
    if (!read.from) answer(read.request, Outcome::not_leader);
  }
  leader()->reads.clear();
}

}  // namespace millrace::raft
