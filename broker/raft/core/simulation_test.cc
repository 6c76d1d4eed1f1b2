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
  }
  int any() { return static_cast<int>(dice_.below(world_.nodes().size())); }

  void act() {
    const int at = any();
    switch (dice_.below(12)) {
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
      default:
        return propose();
    }
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
  std::vector<std::pair<RequestId, std::vector<std::string>>> requests_;

 public:
  int acknowledged_ = 0;
};

TEST(Simulation, keeps_every_promise_under_faults) {
  uint64_t from = 1;
  uint64_t count = 300;
  if (const char* seeds = std::getenv("MILLRACE_RAFT_SEEDS")) {
    char* rest = nullptr;
    from = std::strtoull(seeds, &rest, 10);
    count = std::strtoull(rest + 1, nullptr, 10);
  }
  int acknowledged = 0;
  for (uint64_t seed = from; seed < from + count; ++seed) {
    Chaos run(seed);
    run.go();
    acknowledged += run.acknowledged_;
    ASSERT_FALSE(::testing::Test::HasFailure()) << "seed " << seed;
  }
  EXPECT_GT(acknowledged, static_cast<int>(count) * 5) << "the faults leave too little to happen";
}

}  // namespace
}  // namespace millrace::raft::testing
