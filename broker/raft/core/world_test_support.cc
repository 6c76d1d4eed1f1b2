#include "broker/raft/core/world_test_support.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace millrace::raft::testing {

Member member(int node, int generation) {
  Member result{NodeId{node}, {}};
  result.directory.bytes[0] = static_cast<std::byte>(node + 1);
  result.directory.bytes[15] = static_cast<std::byte>(generation);
  return result;
}

std::vector<Member> members(int count) {
  std::vector<Member> result;
  for (int at = 0; at < count; ++at) result.push_back(member(at));
  return result;
}

uint64_t Dice::next() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

Restored Disk::restored() {
  Restored result{.hard = hard, .snapshot = snapshot, .base = base};
  result.begin();
  for (const Entry& entry : entries) EXPECT_TRUE(result.replay(entry));
  if (result.log_is_stale()) compact(snapshot.last, false);
  return result;
}

void Disk::compact(Position to, bool keep) {
  const auto gone = static_cast<std::ptrdiff_t>(to.index.value() - base.index.value());
  if (keep) {
    entries.erase(entries.begin(), entries.begin() + gone);
  } else {
    entries.clear();
  }
  base = to;
}

World::World(uint64_t seed) : dice(seed), seed_(seed) {}

void World::start(int voters) {
  const Configuration initial{"test", members(voters), {}};
  for (int at = 0; at < voters; ++at) add_node(member(at), true, initial);
}

void World::add_node(const Member& self, bool bootstrap, const Configuration& initial) {
  const int at = self.node.value();
  Node& added = nodes_[at] = Node{};
  added.self = self;
  added.options = Options{.self = self, .seed = seed_ * 1000 + static_cast<uint64_t>(at)};
  if (tune) tune(added.options);
  if (bootstrap) {
    added.disk.hard = {Term{1}, std::nullopt};
    added.disk.entries = {bootstrap_entry(initial)};
  }
  restart(at);
}

void World::restart(int at) {
  Node& starting = node(at);
  ASSERT_EQ(starting.core, nullptr);
  const Restored restored = starting.disk.restored();
  starting.view = starting.disk;
  load(starting);
  starting.commit = Index{};
  starting.core = std::make_unique<Core>(starting.options, restored, now_);
}

void World::crash(int at) {
  Node& crashing = node(at);
  crashing.core.reset();
  // Jobs are done in order; how far the disk has come is chance, and of the last one a part may be there.
  for (size_t done = dice.below(crashing.jobs.size() + 1); done > 0; --done) {
    write(crashing.disk, crashing.jobs.front().what, SIZE_MAX, crashing.incoming);
    if (const auto* piece = std::get_if<SnapshotWrite>(&crashing.jobs.front().what)) {
      crashing.incoming.resize(piece->offset);
      crashing.incoming += piece->data.text();
    }
    crashing.jobs.pop_front();
  }
  if (!crashing.jobs.empty() && dice.one_in(2)) {
    write(crashing.disk, crashing.jobs.front().what, dice.below(3), crashing.incoming);
  }
  crashing.jobs.clear();
  crashing.incoming.clear();
}

void World::lose_disk(int at) {
  const int generation = static_cast<int>(node(at).self.directory.bytes[15]) + 1;
  if (up(at)) crash(at);
  lost_.insert(node(at).self);
  add_node(member(at, generation), false, {});
}

void World::feed(int at, decltype(Event::what) what) {
  if (!up(at)) return;
  take(at, core(at).step({now_, std::move(what)}));
}

RequestId World::propose(int at, const std::vector<std::string>& payloads) {
  const RequestId request{++requests_};
  proposed_[request] = payloads;
  Propose event{request, {}};
  for (const std::string& payload : payloads) event.payloads.push_back(Bytes::copy_of(payload));
  feed(at, std::move(event));
  return request;
}

RequestId World::read(int at) {
  const RequestId request{++requests_};
  reads_[request] = acknowledged_;
  feed(at, Read{request});
  return request;
}

RequestId World::transfer(int at, std::optional<int> target) {
  const RequestId request{++requests_};
  feed(at, TransferLeadership{request, target ? std::optional(NodeId{*target}) : std::nullopt});
  return request;
}

RequestId World::change(int at, ChangeMembers::Kind kind, const Member& who) {
  const RequestId request{++requests_};
  feed(at, ChangeMembers{request, kind, who});
  return request;
}

bool World::change_until_done(ChangeMembers::Kind kind, const Member& who) {
  RequestId request;
  return run_until([&] {
    if (succeeded(request)) return true;
    if (leader() >= 0 && (request == RequestId{} || answer(request))) request = change(leader(), kind, who);
    return succeeded(request);
  });
}

void World::take(int at, Output output) {
  Node& from = node(at);
  if (output.hard_state) start_job(from, *output.hard_state);
  for (LogWrite& write : output.writes) start_job(from, std::move(write));
  take_snapshot_work(at, output);
  check(at);
  for (Message& message : output.messages) send(std::move(message));
  for (const Answer& answer : output.answers) {
    EXPECT_TRUE(answers_.emplace(answer.request, answer).second) << "answered twice, seed " << seed_;
    if (answer.outcome != Outcome::done) continue;
    if (proposed_.contains(answer.request)) acknowledged_ = std::max(acknowledged_, answer.index);
    const auto of_read = reads_.find(answer.request);
    if (of_read == reads_.end()) continue;
    EXPECT_GE(from.applied, of_read->second) << "a read misses what was acknowledged before it, seed " << seed_;
  }
  if (output.state && output.state->role == Role::leader) {
    const auto [of_term, first] = leaders_.emplace(output.state->term, from.self);
    EXPECT_TRUE(first || of_term->second == from.self) << "two leaders in a term, seed " << seed_;
    for (const auto& [index, entry] : committed_) {
      const auto term = core(at).log().term_at(index);
      EXPECT_TRUE(index < core(at).log().base().index || term == entry.term)
          << "leader lacks committed entry " << index.value() << ", seed " << seed_;
    }
  }
  for (const LogRead& read : output.reads) {
    EntriesRead done{read.reader, read.term, read.first, {}};
    size_t bytes = 0;
    for (Index index = read.first; index <= read.last && index > from.disk.base.index; index = index.next()) {
      const Entry& entry = from.disk.at(index);
      bytes += size_of(entry);
      if (bytes > read.bytes_max && !done.entries.empty()) break;
      done.entries.push_back(entry);
    }
    feed(at, std::move(done));
  }
  if (output.apply) apply(at, *output.apply);
  while (up(at) && !from.jobs.empty() && !from.disk_held && from.disk_time == milliseconds(0)) finish_job(at);
}

void World::apply(int at, const Apply& apply) {
  Node& applying = node(at);
  for (Index index = apply.first; index <= apply.last; index = index.next()) {
    const auto in_output = static_cast<size_t>(index.value() - apply.first.value());
    apply_entry(applying, index, apply.entries.empty() ? applying.disk.at(index) : apply.entries[in_output]);
  }
  feed(at, Applied{apply.last});
}

void World::apply_entry(Node& applying, Index index, const Entry& entry) {
  EXPECT_EQ(index, applying.applied.next()) << "seed " << seed_;
  const auto [known, first] = committed_.emplace(index, entry);
  EXPECT_TRUE(first || known->second == entry) << "two entries committed at " << index.value() << ", seed " << seed_;
  applying.applied = index;
  if (entry.kind == EntryKind::payload) applying.payloads.emplace_back(entry.payload.text());
}

void World::check(int at) {
  const Core& self = core(at);
  const Node& of = node(at);
  EXPECT_LE(self.applied(), self.commit());
  EXPECT_TRUE(self.installing() || self.log().last() == of.view.last()) << "seed " << seed_;
  EXPECT_LE(self.durable(), of.disk.last()) << "seed " << seed_;
  EXPECT_LE(self.commit(), self.log().last());
  const bool news = self.commit() > of.commit;
  node(at).commit = self.commit();
  if (!news || self.state().role != Role::leader) return;
  const auto& voters = self.configuration().voters;
  const Position newest{self.commit(), *self.log().term_at(self.commit())};
  const auto copies =
      std::count_if(voters.begin(), voters.end(), [&](const Member& voter) { return holds(voter, newest); });
  EXPECT_GT(2 * static_cast<size_t>(copies), voters.size())
      << "committed without a majority on disk, entry " << newest.index.value() << ", seed " << seed_;
  EXPECT_EQ(newest.term, self.state().term) << "an older entry committed by counting, seed " << seed_;
}

bool World::holds(const Member& who, Position entry) const {
  if (lost_.contains(who)) return true;  // it did when it said so
  const auto found = nodes_.find(who.node.value());
  if (found == nodes_.end() || found->second.self != who) return false;
  const Disk& disk = found->second.disk;
  if (entry.index <= disk.base.index || entry.index <= disk.snapshot.last.index) return true;
  return entry.index <= disk.last() && disk.at(entry.index).term == entry.term;
}

void World::start_job(Node& of, DiskWork what) {
  write(of.view, what, SIZE_MAX, {});
  of.jobs.push_back({now_ + of.disk_time, std::move(what)});
}

void World::check_logs() {
  for (auto a = nodes_.begin(); a != nodes_.end(); ++a) {
    for (auto b = std::next(a); b != nodes_.end(); ++b) {
      const Disk& one = a->second.view;
      const Disk& two = b->second.view;
      bool same = false;  // walking down: once equal, equal below
      for (Index index = std::min(one.last(), two.last()); index > std::max(one.base.index, two.base.index);
           index = index.previous()) {
        const Entry& x = one.at(index);
        const Entry& y = two.at(index);
        same = same || x.term == y.term;
        EXPECT_TRUE(!same || x == y) << "logs differ below an equal entry at " << index.value() << ", seed " << seed_;
      }
    }
  }
}

std::optional<Answer> World::answer(RequestId request) const {
  const auto found = answers_.find(request);
  return found == answers_.end() ? std::nullopt : std::optional(found->second);
}

bool World::succeeded(RequestId request) const {
  const auto found = answer(request);
  return found && found->outcome == Outcome::done;
}

bool World::has_applied(int at, const std::string& payload) const {
  const auto& applied = nodes_.at(at).payloads;
  return std::find(applied.begin(), applied.end(), payload) != applied.end();
}

}  // namespace millrace::raft::testing
