#include <algorithm>

#include "broker/raft/core/core.h"

namespace millrace::raft {
namespace {

constexpr size_t kProbeBytesMax = 4096;  // of entries beside a guess, which may be wrong; one entry may exceed it

}  // namespace

void Core::on(Propose& event) {
  if (leader() == nullptr) return answer(event.request, Outcome::not_leader);
  if (leader()->transfer) return answer(event.request, Outcome::busy);
  std::vector<Entry> entries;
  entries.reserve(event.payloads.size());
  size_t bytes = 0;
  for (Bytes& payload : event.payloads) {
    if (payload.size() > options_.entry_bytes_max) return answer(event.request, Outcome::too_large);
    entries.push_back({hard_.term, EntryKind::payload, std::move(payload)});
    bytes += size_of(entries.back());
  }
  if (proposal_bytes_ + bytes > options_.proposal_bytes_max || proposals_.size() >= options_.proposals_max) {
    return answer(event.request, Outcome::overloaded);
  }
  ENSURE(!entries.empty());
  append_entries(log_.last(), std::move(entries));
  proposals_.push_back({event.request, log_.last(), bytes});
  proposal_bytes_ += bytes;
  send_to_all();
}

// Everyone in the newest configuration receives the log; who has left it does as long as it answers, so that it learns
// of that.
void Core::follow_configuration() {
  Leader& self = *leader();
  const Configuration& newest = configurations_.newest();
  for (auto& [member, progress] : self.followers) progress.observer = true;
  for (const auto* members : {&newest.voters, &newest.learners}) {
    for (const Member& member : *members) {
      if (is_self(member)) continue;
      const auto [at, added] = self.followers.try_emplace(member);
      at->second.observer = false;
      if (added) {
        at->second.next = log_.last().next();
        at->second.heard = now_;
      }
    }
  }
}

void Core::heartbeat() {
  Leader& self = *leader();
  self.heartbeat_due = now_ + options_.heartbeat_interval;
  self.round = self.round.next();
  self.started.emplace_back(self.round, now_);
  for (auto& [member, progress] : self.followers) {
    progress.probe_sent = false;
    send_empty(member, progress);
    if (progress.mode == Progress::Mode::snapshot) resume_snapshot(member, progress);
  }
  confirm_round();
}

void Core::send_to_all() {
  for (auto& [member, progress] : leader()->followers) send_entries(member, progress);
}

// As many messages as the window takes; what is proposed while it is full goes out together afterwards.
void Core::send_entries(const Member& to, Progress& progress) {
  if (progress.mode == Progress::Mode::snapshot) return;
  while (progress.next <= log_.last()) {
    if (progress.next <= log_.base().index) return begin_snapshot(to, progress);
    if (progress.mode == Progress::Mode::probe && progress.probe_sent) return;
    if (progress.read_under_way || progress.in_flight.size() >= options_.in_flight_messages_max ||
        progress.in_flight_bytes >= options_.in_flight_bytes_max) {
      return;
    }
    if (progress.next < log_.cached_from()) {
      if (progress.mode == Progress::Mode::probe) return send_empty(to, progress);
      progress.read_under_way = true;
      const Index last = std::min(log_.cached_from(), durable_.index().next()).previous();
      out_.reads.push_back({to, hard_.term, progress.next, last, options_.message_bytes_max});
      return;
    }
    const bool probe = progress.mode == Progress::Mode::probe;
    const size_t bytes_max = probe ? std::min(kProbeBytesMax, options_.message_bytes_max) : options_.message_bytes_max;
    send_append(to, progress, log_.slice(progress.next, log_.last(), bytes_max, options_.message_entries_max));
  }
  // Nothing is left to carry the commit index, and waiting for the next heartbeat would make followers stale.
  if (progress.mode == Progress::Mode::stream && progress.in_flight.empty() && progress.commit < commit_) {
    send_empty(to, progress);
  }
}

void Core::send_append(const Member& to, Progress& progress, std::vector<Entry> entries) {
  const Index previous = progress.next.previous();
  const Index last = previous.next(static_cast<int64_t>(entries.size()));
  size_t bytes = 0;
  for (const Entry& entry : entries) bytes += size_of(entry);
  progress.commit = std::min(commit_, last);
  if (progress.mode == Progress::Mode::probe) {
    progress.probe_sent = true;
  } else {
    progress.next = last.next();
    progress.sent(last, bytes);
  }
  send(to, AppendRequest{{previous, *log_.term_at(previous)}, std::move(entries), commit_, leader()->round});
}

void Core::send_empty(const Member& to, Progress& progress) {
  if (progress.mode != Progress::Mode::snapshot && progress.next <= log_.base().index) begin_snapshot(to, progress);
  if (progress.mode == Progress::Mode::snapshot) {  // says that the leader is here, and compares nothing
    return send(to, AppendRequest{{}, {}, Index{}, leader()->round});
  }
  const Index previous = progress.next.previous();
  progress.commit = std::max(progress.commit, std::min(commit_, previous));
  if (progress.mode == Progress::Mode::probe) progress.probe_sent = true;
  send(to, AppendRequest{{previous, *log_.term_at(previous)}, {}, commit_, leader()->round});
}

void Core::on(EntriesRead& event) {
  Leader* self = leader();
  if (self == nullptr || event.term != hard_.term) return;
  const auto found = self->followers.find(event.reader);
  if (found == self->followers.end() || !found->second.read_under_way) return;
  Progress& progress = found->second;
  progress.read_under_way = false;
  if (progress.mode == Progress::Mode::snapshot) return;
  const bool wanted = event.first == progress.next && !(progress.mode == Progress::Mode::probe && progress.probe_sent);
  if (wanted && !event.entries.empty()) {
    const size_t count_max = options_.message_entries_max;
    if (event.entries.size() > count_max) event.entries.resize(count_max);
    send_append(found->first, progress, std::move(event.entries));
  }
  send_entries(found->first, progress);
}

void Core::on_append_reply(const Member& from, const AppendReply& reply) {
  Leader* self = leader();
  if (self == nullptr) return;
  const auto found = self->followers.find(from);
  if (found == self->followers.end()) return;
  Progress& progress = found->second;
  progress.heard = now_;
  if (reply.round > progress.answered && reply.round <= self->round) {
    progress.answered = reply.round;
    confirm_round();
  }
  if (!reply.success) {
    on_reject(progress, reply);
  } else {
    if (reply.verified > log_.last() || reply.durable > reply.verified) return;  // nothing of ours
    const bool more = reply.durable > progress.match;
    progress.acknowledge(reply.durable);
    if (progress.mode == Progress::Mode::probe && reply.verified.next() >= progress.next) {
      progress.probe_from(reply.verified.next());
      progress.mode = Progress::Mode::stream;
    }
    progress.next = std::max(progress.next, progress.match.next());
    if (more) advance_commit();
    if (leader() == nullptr) return;  // its own removal was committed
  }
  send_entries(from, progress);
  advance_transfer();
}

// One probe for each term in which the logs differ, whatever their length.
void Core::on_reject(Progress& progress, const AppendReply& reply) {
  if (progress.mode == Progress::Mode::snapshot) return;
  // At or below match it is provably old: there the logs are the same. In a probe only the answer to it counts.
  if (reply.rejected <= progress.match) return;
  if (progress.mode == Progress::Mode::probe && reply.rejected != progress.next.previous()) return;
  if (reply.rejected >= progress.next || reply.conflict.index > reply.rejected) return;
  // The follower has conflict.term from conflict_first to conflict.index. An entry of ours of that term in there is the
  // same entry; without one, the logs part before that term or even earlier.
  const auto ours = log_.newest_not_above(reply.conflict.index, reply.conflict.term);
  Index same = ours ? ours->index : log_.base().index.previous();
  if (!ours || ours->term != reply.conflict.term) same = std::min(same, reply.conflict_first.previous());
  if (reply.conflict.index == reply.rejected && same == reply.rejected) same = same.previous();
  progress.probe_from(std::max(same, progress.match).next());
}

}  // namespace millrace::raft
