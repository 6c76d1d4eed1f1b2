// Seeded chaos: processes die, machines lose power, also in the middle of a disk call, disks are slow, fail and fill
// up, messages are lost, nodes are cut off, members come and go. What must hold at any time is checked by the world;
// here that what was acknowledged survives and that there is progress afterwards. MILLRACE_RAFT_NODE_SEEDS=count runs
// more seeds, MILLRACE_RAFT_NODE_FIRST=seed begins elsewhere.
#include <iostream>

#include "broker/raft/node/node_test_support.h"
#include "broker/raft/node/store_test_support.h"

namespace millrace::raft::testing {
namespace {

using Kind = ChangeMembers::Kind;

struct Counts {
  uint64_t acknowledged = 0, unknown = 0, reads = 0, crashes = 0, errors = 0, changes = 0, loads = 0;
};

class Chaos {
 public:
  Chaos(uint64_t seed, Counts& counts) : world_(seed), dice_(seed ^ 0x5eed), counts_(counts) {}

  void go() {
    const auto voters = static_cast<int>(std::array{1, 3, 3, 3, 5}[dice_.below(5)]);
    world_.tune = [this](NodeOptions& options) { tune(options); };
    world_.delay_max = milliseconds(1 + dice_.below(10));
    world_.start(voters);
    for (uint64_t extra = dice_.below(3); extra > 0; --extra) {
      world_.add(static_cast<int>(world_.peers().size()) + 1, {});
    }
    world_.commit("begin");
    world_.faults_drop = static_cast<int>(dice_.below(40));
    for (int round = 0; round < 150 && !::testing::Test::HasFailure(); ++round) {
      act();
      world_.run(milliseconds(1 + dice_.below(60)));
      bury();
    }
    settle();
  }

 private:
  void tune(NodeOptions& options) {
    options.core.cache_bytes_max = dice_.below(2000);
    options.core.apply_entries_max = 1 + dice_.below(10);
    options.core.message_entries_max = 1 + dice_.below(10);
    options.core.trailing_entries = static_cast<int64_t>(dice_.below(15));
    options.core.snapshot_chunk_bytes = 30 + dice_.below(200);
    options.core.lease_reads = world_.seed() % 3 == 0;
    options.core.clock_drift_max = milliseconds(0);
    options.snapshot_entries = static_cast<int64_t>(3 + dice_.below(30));
    options.snapshot_piece_bytes = 10 + dice_.below(100);
    options.store.segment_bytes = 300 + static_cast<int32_t>(dice_.below(1000));
  }
  int any() { return 1 + static_cast<int>(dice_.below(world_.peers().size())); }

  void act() {
    const int at = any();
    Peer& peer = world_.peer(at);
    switch (dice_.below(26)) {
      case 0:
        return kill(at, false);
      case 1:
      case 2:
        return kill(at, true);
      case 3:  // in the middle of some call
        if (world_.up(at)) dying_[at] = true, peer.disk->die_at_call(dice_.below(30));
        return;
      case 4:
        if (world_.up(at)) peer.disk->fail_call(dice_.below(40), dice_.below(2) == 0 ? Errc::io : Errc::disk_full);
        return;
      case 5:
        return world_.isolate(at);
      case 6:
        return world_.cut(at, any());
      case 7:
      case 8:
        return world_.heal();
      case 9:
        peer.disk_delay = milliseconds(dice_.below(40));
        if (peer.slow != nullptr) peer.slow->delay_max = peer.disk_delay;
        return;
      case 10:
      case 11:
        if (peer.node == nullptr) reopen(at);
        return;
      case 12:
        if (world_.leader() != 0) world_.transfer(world_.leader(), std::nullopt);
        return;
      case 13:
        return change();
      case 14:
        return lose_disk();
      case 15:
      case 16:
        if (world_.up(at)) reads_.push_back(world_.read(at));
        return;
      default:
        return propose();
    }
  }
  void kill(int at, bool power) {
    if (world_.peer(at).node == nullptr) return;
    ++counts_.crashes;
    counts_.loads += static_cast<uint64_t>(world_.machine(at).loads);
    world_.crash(at, power);
    dying_.erase(at);
  }
  // Whoever met an error ends.
  void bury() {
    for (auto& [at, peer] : world_.peers()) {
      if (!peer->fatal) continue;
      ++counts_.errors;
      const bool dying = dying_.contains(at);
      kill(at, dying ? dice_.below(2) == 0 : true);
      peer->fatal.reset();
    }
  }
  void reopen(int at) { world_.open(at); }

  void change() {
    const int leader = world_.leader();
    if (leader == 0) return;
    const Configuration now = world_.status(leader).configuration;
    const int who = any();
    const Member one = world_.peer(who).self;
    if (lost_ && !now.has(*lost_) && world_.status(leader).commit >= world_.status(leader).configuration_at)
      lost_.reset();
    if (lost_) {
      changes_.push_back(world_.change(leader, Kind::remove, *lost_));
    } else if (!now.has(one)) {
      changes_.push_back(world_.change(leader, Kind::add_learner, one));
    } else if (now.has_learner(one)) {
      changes_.push_back(world_.change(leader, dice_.below(5) == 0 ? Kind::remove : Kind::promote, one));
    } else if (dice_.below(2) == 0) {
      changes_.push_back(world_.change(leader, Kind::remove, one));
    }
  }
  // For ever, and only where the others can go on without it, whatever becomes of changes under way.
  void lose_disk() {
    const int leader = world_.leader();
    if (leader == 0 || lost_) return;
    const NodeStatus status = world_.status(leader);
    const int who = any();
    const Member one = world_.peer(who).self;
    if (status.commit < status.configuration_at || status.commit != status.last || who == leader) return;
    if (status.configuration.has_voter(one) && status.configuration.voters.size() < 3) return;
    // A member that was removed may still be needed to know of it.
    if (!status.configuration.has(one) && !world_.up(who)) return;
    if (status.configuration.has(one)) lost_ = one;
    ++counts_.crashes;
    world_.lose_disk(who);
    dying_.erase(who);
  }
  void propose() {
    const int to = dice_.below(5) == 0 ? any() : world_.leader();
    if (to == 0 || !world_.up(to)) return;
    std::vector<std::string> payloads;
    for (uint64_t count = 1 + dice_.below(4); count > 0; --count) {
      payloads.push_back(std::to_string(++proposed_) + std::string(dice_.below(40), '.'));
    }
    asked_.push_back(world_.propose(to, payloads));
  }

  void settle() {
    if (::testing::Test::HasFailure()) return;
    world_.heal();
    world_.faults_drop = 0;
    for (auto& [at, peer] : world_.peers()) {
      if (dying_.contains(at)) kill(at, true);
      peer->disk_delay = Duration{0};
      if (peer->slow != nullptr) peer->slow->delay_max = Duration{0};
    }
    bury();
    for (auto& [at, peer] : world_.peers()) {
      if (peer->node == nullptr) reopen(at);
    }
    for (auto& [at, peer] : world_.peers()) peer->disk->fail_call(io::sim::SimFileSystem::kNever / 2);
    const Index end = world_.commit("end");
    for (auto& [at, peer] : world_.peers()) {
      EXPECT_TRUE(world_.run_until([&, node = at] { return world_.has_applied(node, end); }))
          << "node " << at << " does not catch up, seed " << world_.seed();
      counts_.loads += static_cast<uint64_t>(world_.machine(at).loads);
    }
    for (const auto& asked : asked_) {
      if (asked->answer && !*asked->answer && asked->answer->error().code == Errc::outcome_unknown) ++counts_.unknown;
      if (!asked->answer || !*asked->answer) continue;
      ++counts_.acknowledged;
      for (auto& [at, peer] : world_.peers()) {
        const auto& lines = peer->machine->lines;
        for (const std::string& payload : asked->payloads) {
          EXPECT_EQ(std::count(lines.begin(), lines.end(), payload), 1)
              << "acknowledged, and lost or doubled on node " << at << ", seed " << world_.seed();
        }
      }
    }
    for (const auto& one : changes_) counts_.changes += *one == Outcome::done ? 1 : 0;
    for (const auto& one : reads_) counts_.reads += one->answer && *one->answer ? 1 : 0;
  }

  World world_;
  io::sim::SimRandom dice_;
  Counts& counts_;
  int proposed_ = 0;
  std::map<int, bool> dying_;
  std::optional<Member> lost_;
  std::vector<std::shared_ptr<Asked>> asked_, reads_;
  std::vector<std::shared_ptr<std::optional<Outcome>>> changes_;
};

TEST(NodeChaos, keeps_every_promise) {
  const char* asked = std::getenv("MILLRACE_RAFT_NODE_FIRST");
  const uint64_t first = asked == nullptr ? 1 : std::strtoull(asked, nullptr, 10);
  const uint64_t count = seeds_to_run(2000);
  Counts counts;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    Chaos(seed, counts).go();
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
  std::cout << count << " seeds from " << first << ": " << counts.acknowledged << " batches acknowledged, "
            << counts.unknown << " of unknown outcome, " << counts.reads << " reads, " << counts.crashes << " crashes, "
            << counts.errors << " errors of disks, " << counts.changes << " changes of members, " << counts.loads
            << " snapshots loaded\n";
  EXPECT_TRUE(counts.acknowledged > 5 * count && counts.crashes > 3 * count && counts.errors > count / 2 &&
              counts.loads > count && counts.reads > count / 2 && counts.changes > count / 8)
      << "the faults leave too little to happen";
}

}  // namespace
}  // namespace millrace::raft::testing
