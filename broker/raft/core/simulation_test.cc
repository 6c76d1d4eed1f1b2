// Seeded chaos: messages are lost, repeated and late, nodes crash and lose what is not durable, disks are slow. What
// must hold at any time is checked by the world; here that everything acknowledged survives and that the quorum
// recovers. MILLRACE_RAFT_SEEDS=from:count runs other seeds than the usual few.
#include <cstdlib>

#include <gtest/gtest.h>

#include "broker/raft/core/world_test_support.h"

namespace millrace::raft::testing {
namespace {

class Chaos {
 public:
  explicit Chaos(uint64_t seed) : world_(seed), dice_(seed ^ 0x5eed) {}

  void go() {
    const int voters = std::array{1, 3, 3, 3, 5}[dice_.below(5)];
    world_.tune = [this](Options& options) { tune(options); };
    world_.faults = {.drop = dice_.below(60), .duplicate = dice_.below(60), .delay_max = milliseconds(dice_.below(20))};
    world_.start(voters);
    for (int extra = static_cast<int>(dice_.below(4)); extra > 0; --extra) {
      world_.add_node(member(static_cast<int>(world_.nodes().size())), false, {});
    }
    for (auto& [at, node] : world_.nodes()) node.disk_time = milliseconds(dice_.below(8));
    for (int round = 0; round < 120; ++round) {
      act();
      world_.run(milliseconds(1 + dice_.below(40)));
    }
    settle();
  }

 private:
  void tune(Options& options) {
    options.message_entries_max = 1 + dice_.below(8);
    options.in_flight_messages_max = 1 + dice_.below(8);
    options.cache_bytes_max = dice_.below(600);
    options.apply_entries_max = 1 + dice_.below(8);
    options.election_timeout_min = milliseconds(150);
    options.election_jitter_max = milliseconds(150);
    options.heartbeat_interval = milliseconds(30);
    options.trailing_entries = static_cast<int64_t>(dice_.below(10));
    options.snapshot_chunk_bytes = 8 + dice_.below(40);
    options.snapshot_chunks_in_flight = 1 + dice_.below(4);
    options.lease_reads = options.seed % 3 == 0;
    options.clock_drift_max = milliseconds(0);
    for (int node = 0; node < 8; ++node) options.contacts.push_back(NodeId{node});
  }
  int any() { return static_cast<int>(dice_.below(world_.nodes().size())); }

  void act() {
    const int at = any();
    switch (dice_.below(30)) {
      case 0:
        return world_.up(at) ? world_.crash(at) : world_.restart(at);
      case 1:
        return world_.isolate(at);
      case 2:
        return world_.cut(at, any());
      case 3:
      case 4:
        return world_.heal();
      case 5:
        if (!world_.up(at)) world_.restart(at);
        return;
      case 6:
      case 7:
        return change();
      case 8:
        return lose_disk();
      case 9:
        if (world_.leader() >= 0) world_.transfer(world_.leader());
        return;
      case 10:
      case 11:
      case 12:
        if (world_.up(at)) reads_.push_back(world_.read(at));
        return;
      case 13:
      case 14:
        return world_.take_snapshot(at);
      case 15:
      case 16:  // a crash from which it is back before anybody knows
        if (world_.up(at)) world_.crash(at);
        return world_.restart(at);
      case 17:
        if (world_.leader() >= 0) world_.isolate(world_.leader());
        return;
      default:
        return propose();
    }
  }
  // Any change that an operator might ask for; a voter whose disk is gone is removed before any other.
  void change() {
    const int at = world_.leader();
    if (at < 0) return;
    const Configuration& now = world_.core(at).configuration();
    const int who = any();
    const Member one = world_.node(who).self;
    if (lost_ && settled(at) && !now.has(*lost_)) lost_.reset();
    if (lost_) {
      changes_.push_back(world_.change(at, ChangeMembers::Kind::remove, *lost_));
    } else if (!now.has(one)) {
      changes_.push_back(world_.change(at, ChangeMembers::Kind::add_learner, one));
    } else if (now.has_learner(one)) {
      const auto kind = dice_.one_in(6) ? ChangeMembers::Kind::remove : ChangeMembers::Kind::promote;
      changes_.push_back(world_.change(at, kind, one));
    } else if (dice_.one_in(2)) {
      changes_.push_back(world_.change(at, ChangeMembers::Kind::remove, one));
    }
  }
  // No change is under way that some other leader could still bring to an end.
  bool settled(int at) {
    const Core& leader = world_.core(at);
    return leader.configuration_index() <= leader.commit() &&
           leader.log().term_at(leader.commit()) == leader.state().term;
  }
  // For ever, and only where the others can go on without it, whatever becomes of changes under way.
  void lose_disk() {
    const int at = world_.leader();
    if (at < 0 || !settled(at) || lost_) return;
    const Configuration& now = world_.core(at).configuration();
    const int who = any();
    const Member one = world_.node(who).self;
    if (who == at || (now.has_voter(one) && now.voters.size() < 3)) return;
    if (now.has(one)) lost_ = one;
    world_.lose_disk(who);
  }
  void propose() {
    const int to = dice_.one_in(4) ? any() : world_.leader();
    if (to < 0 || !world_.up(to)) return;
    std::vector<std::string> payloads;
    for (uint64_t count = 1 + dice_.below(4); count > 0; --count) payloads.push_back(std::to_string(++proposed_));
    requests_.emplace_back(world_.propose(to, payloads), payloads);
  }

  void settle() {
    world_.check_logs();
    world_.heal();
    world_.faults = {};
    for (auto& [at, node] : world_.nodes()) {
      if (!world_.up(at)) world_.restart(at);
    }
    ASSERT_TRUE(world_.run_until([&] { return world_.leader() >= 0; })) << "seed " << world_.seed();
    RequestId last;
    ASSERT_TRUE(world_.run_until([&] {
      if (world_.succeeded(last)) return true;
      if (world_.leader() >= 0 && (last == RequestId{} || world_.answer(last)))
        last = world_.propose(world_.leader(), "end");
      return false;
    })) << "no progress after the faults ended, seed "
        << world_.seed();
    const Index end = world_.answer(last)->index;
    ASSERT_TRUE(world_.run_until([&] {
      return std::all_of(world_.nodes().begin(), world_.nodes().end(),
                         [&](const auto& of) { return of.second.applied >= end; });
    })) << "a node does not catch up, seed "
        << world_.seed();
    world_.check_logs();
    for (const auto& [request, payloads] : requests_) {
      if (!world_.succeeded(request)) continue;
      ++acknowledged_;
      for (const std::string& payload : payloads) {
        for (auto& [at, node] : world_.nodes()) {
          EXPECT_TRUE(world_.has_applied(at, payload)) << "acknowledged and lost, seed " << world_.seed();
        }
      }
    }
  }

  World world_;
  Dice dice_;
  int proposed_ = 0;
  std::optional<Member> lost_;  // a member whose disk is gone, as long as it may be in the configuration
  std::vector<std::pair<RequestId, std::vector<std::string>>> requests_;
  std::vector<RequestId> changes_;
  std::vector<RequestId> reads_;

 public:
  int acknowledged_ = 0;
  int64_t changed() const { return count_done(changes_); }
  int64_t read() const { return count_done(reads_); }
  int64_t installed() const { return static_cast<int64_t>(world_.installed); }

 private:
  int64_t count_done(const std::vector<RequestId>& requests) const {
    return std::count_if(requests.begin(), requests.end(), [this](RequestId one) { return world_.succeeded(one); });
  }
};

TEST(Simulation, keeps_every_promise_under_faults) {
  uint64_t from = 1;
  uint64_t count = 300;
  if (const char* seeds = std::getenv("MILLRACE_RAFT_SEEDS")) {
    char* rest = nullptr;
    from = std::strtoull(seeds, &rest, 10);
    count = std::strtoull(rest + 1, nullptr, 10);
  }
  int64_t acknowledged = 0, changed = 0, read = 0, installed = 0;
  for (uint64_t seed = from; seed < from + count; ++seed) {
    Chaos run(seed);
    run.go();
    acknowledged += run.acknowledged_;
    changed += run.changed();
    read += run.read();
    installed += run.installed();
    ASSERT_FALSE(::testing::Test::HasFailure()) << "seed " << seed;
  }
  std::cout << count << " seeds from " << from << ": " << acknowledged << " batches acknowledged, " << changed
            << " changes of the configuration, " << read << " reads, " << installed << " snapshots\n";
  const auto enough = static_cast<int64_t>(count);
  EXPECT_TRUE(acknowledged > 5 * enough && changed > enough && read > enough && installed > enough)
      << "the faults leave too little to happen";
}

}  // namespace
}  // namespace millrace::raft::testing
