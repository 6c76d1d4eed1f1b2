// How time and messages move in the world of the tests.
#include <algorithm>

#include <gtest/gtest.h>

#include "broker/raft/core/world_test_support.h"

namespace millrace::raft::testing {

void World::cut(int a, int b) {
  cuts_.insert(std::minmax(a, b));
  std::erase_if(wire_, [&](const Flight& flight) {
    return cuts_.contains(std::minmax(flight.message.from.node.value(), flight.message.to.node.value()));
  });
}

void World::isolate(int a) {
  for (const auto& [other, unused] : nodes_) {
    if (other != a) cut(a, other);
  }
}

void World::heal() { cuts_.clear(); }

void World::send(Message message) {
  ++sent_messages;
  if (const auto* append = std::get_if<AppendRequest>(&message.body)) {
    for (const Entry& entry : append->entries) sent_bytes += size_of(entry);
  }
  if (const auto* reply = std::get_if<AppendReply>(&message.body)) rejects += reply->success ? 0 : 1;
  if (cuts_.contains(std::minmax(message.from.node.value(), message.to.node.value()))) return;
  if (faults.drop > 0 && dice.below(1000) < faults.drop) return;
  const int copies = faults.duplicate > 0 && dice.below(1000) < faults.duplicate ? 2 : 1;
  for (int copy = 0; copy < copies; ++copy) {
    const auto delay = milliseconds(1 + dice.below(static_cast<uint64_t>(faults.delay_max.count()) + 1));
    wire_.push_back({++flights_, now_ + delay, message});
  }
}

bool World::deliver(const std::function<bool(const Message&)>& which) {
  const auto found =
      std::find_if(wire_.begin(), wire_.end(), [&](const Flight& flight) { return which(flight.message); });
  if (found == wire_.end()) return false;
  Message message = std::move(found->message);
  wire_.erase(found);
  const int to = message.to.node.value();
  if (nodes_.contains(to)) feed(to, Received{std::move(message)});
  return true;
}

void World::run(milliseconds time) {
  for (const TimePoint end = now_ + time; now_ < end;) {
    now_ += milliseconds(1);
    std::vector<Flight> due;
    for (auto it = wire_.begin(); it != wire_.end();) {
      const bool goes = it->due <= now_ && !(hold && hold(it->message));
      if (goes) due.push_back(std::move(*it));
      it = goes ? wire_.erase(it) : std::next(it);
    }
    for (Flight& flight : due) {
      const int to = flight.message.to.node.value();
      if (nodes_.contains(to)) feed(to, Received{std::move(flight.message)});
    }
    for (auto& [at, of] : nodes_) {
      while (up(at) && !of.disk_held && !of.jobs.empty() && of.jobs.front().due <= now_) finish_job(at);
      const bool held = of.election_held && up(at) && core(at).state().role != Role::leader;
      if (up(at) && !held) tick(at);
    }
  }
}

bool World::run_until(const std::function<bool()>& condition, milliseconds time_max) {
  for (milliseconds spent{0}; spent < time_max && !condition(); ++spent) run(milliseconds(1));
  return condition();
}

int World::leader() const {
  int found = -1;
  Term newest;
  for (const auto& [at, of] : nodes_) {
    if (of.core == nullptr || of.core->state().role != Role::leader || of.core->state().term <= newest) continue;
    newest = of.core->state().term;
    found = at;
  }
  return found;
}

bool World::elect(int at) {
  for (auto& [other, of] : nodes_) of.election_held = other != at;
  const bool won = run_until([&] { return up(at) && core(at).state().role == Role::leader; });
  for (auto& [other, of] : nodes_) of.election_held = true;
  return won;
}

}  // namespace millrace::raft::testing
