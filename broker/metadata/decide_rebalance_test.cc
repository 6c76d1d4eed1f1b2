#include <random>
#include <set>

#include <gtest/gtest.h>

#include "broker/metadata/cluster_test_support.h"
#include "broker/metadata/moves.h"
#include "broker/metadata/partition_rules.h"

namespace millrace::metadata {
namespace {

struct RebalanceTest : testing::Test {
  TestCluster cluster{3};

  MovePlan rebalance(int moves_max = kRebalanceMovesDefault) {
    const auto plan = cluster(Rebalance{moves_max});
    ENSURE(plan.has_value());
    return *plan;
  }
  int replicas(int id) { return cluster.state.index.counts(BrokerId{id}).replicas; }
  // Everything that is being added gets into sync.
  void let_moves_end() {
    for (const Reassignment& each : list_reassignments(cluster.image(), std::nullopt)) {
      std::vector<int> all;
      for (const BrokerId id : each.replicas) all.push_back(id.value());
      // The outcome tells that the leader changed, where the one that led goes.
      (void)cluster.set_isr(each.partition.topic, all, each.partition.partition.value());
    }
  }
  void create(const std::string& name, int partitions, int replication_factor = 3) {
    ENSURE(cluster.create({.name = name, .partitions = partitions, .replication_factor = replication_factor}));
  }
};

TEST_F(RebalanceTest, brokers_that_are_added_get_their_share_step_by_step) {
  create("t", 8);
  cluster.add_broker(3);
  const MovePlan first = rebalance(2);
  EXPECT_EQ(first.moves.size(), 2u);
  EXPECT_EQ(first.moving, 0);
  EXPECT_EQ(first.left, 4);
  EXPECT_EQ(first.stuck, 0);
  EXPECT_TRUE(cluster.partition("t", first.moves[0].partition.partition.value()).reassigning());
  const MovePlan meanwhile = rebalance(2);
  EXPECT_TRUE(meanwhile.moves.empty()) << "two move already";
  EXPECT_EQ(meanwhile.moving, 2);
  EXPECT_EQ(meanwhile.left, 4);
  for (int step = 0; step < 3; ++step) {
    let_moves_end();
    rebalance(2);
  }
  const MovePlan last = rebalance(2);
  EXPECT_TRUE(last.moves.empty());
  EXPECT_EQ(last.moving + last.left + last.stuck, 0);
  for (int id = 0; id < 4; ++id) EXPECT_EQ(replicas(id), 6) << id;
}

TEST_F(RebalanceTest, the_preferred_leaders_are_spread_as_well) {
  create("t", 12);
  cluster.add_broker(3);
  for (const PlannedMove& move : rebalance(1000).moves) {
    EXPECT_EQ(move.before.size(), move.after.size());
  }
  let_moves_end();
  std::map<int, int> preferred;
  for (int i = 0; i < 12; ++i) ++preferred[cluster.partition("t", i).replicas.front().value()];
  for (int id = 0; id < 4; ++id) {
    EXPECT_GE(preferred[id], 2) << id;
    EXPECT_LE(preferred[id], 4) << id;
  }
}

TEST_F(RebalanceTest, every_topic_is_spread_not_only_the_sum) {
  create("a", 8, 1);
  create("b", 8, 1);
  create("c", 8, 1);
  cluster.add_broker(3);
  rebalance(1000);
  let_moves_end();
  EXPECT_EQ(replicas(3), 6);
  for (const char* name : {"a", "b", "c"}) {
    int here = 0;
    for (int i = 0; i < 8; ++i) here += cluster.partition(name, i).replicas.front() == BrokerId{3};
    EXPECT_EQ(here, 2) << name;
  }
}

TEST_F(RebalanceTest, nothing_moves_to_brokers_that_are_dead_or_decommissioned_and_no_partition_without_a_leader) {
  create("t", 8, 1);
  cluster.add_broker(3);
  cluster.add_broker(4);
  cluster.fence(3);
  ASSERT_TRUE(cluster(Decommission{.node = BrokerId{4}}));
  EXPECT_TRUE(rebalance().moves.empty());
  cluster.fence(3, false);
  cluster.fence(0);
  for (const PlannedMove& move : rebalance(1000).moves) {
    EXPECT_EQ(move.after, brokers({3}));
    EXPECT_NE(move.before, brokers({0}));
  }
}

TEST_F(RebalanceTest, a_count_that_is_out_of_bounds_is_an_error) {
  EXPECT_EQ(TestCluster::code(cluster(Rebalance{0})), Errc::invalid_argument);
  EXPECT_EQ(TestCluster::code(cluster(Rebalance{1001})), Errc::invalid_argument);
}

TEST(Rebalance, no_partition_comes_to_lie_in_fewer_racks) {
  TestCluster cluster(3, true);
  ASSERT_TRUE(cluster.create({.name = "t", .partitions = 12, .replication_factor = 3}));
  cluster.add_broker(3, "a");
  const MovePlan plan = plan_rebalance(cluster.image(), 1000);
  EXPECT_EQ(plan.moves.size(), 6u) << "the broker in the same rack shares its replicas, the others cannot";
  for (const PlannedMove& move : plan.moves) EXPECT_TRUE(holds(move.before, BrokerId{0}));
  EXPECT_EQ(plan.left, 0);
  EXPECT_GT(plan.stuck, 0);
  ASSERT_TRUE(cluster(Rebalance{1000}));
  EXPECT_EQ(plan_rebalance(cluster.image(), 1000).moves.size(), 0u) << "moves that are under way count as done";
}

TEST(Rebalance, from_any_placement_it_ends_with_even_loads) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 dice(seed);
  for (int round = 0; round < 50; ++round) {
    TestCluster cluster(2 + static_cast<int>(dice() % 6));
    const int size = static_cast<int>(cluster.image().brokers.size());
    std::vector<std::vector<int>> placement(dice() % 40);
    for (auto& replicas : placement) {
      std::vector<int> ids(static_cast<size_t>(size));
      for (int id = 0; id < size; ++id) ids[static_cast<size_t>(id)] = id;
      std::shuffle(ids.begin(), ids.end(), dice);
      ids.resize(1 + dice() % static_cast<unsigned>(size));
      replicas = ids;
    }
    cluster.place("t", placement);
    const MovePlan plan = plan_rebalance(cluster.image(), 1000);
    std::map<int, int> loads;
    std::map<int, std::vector<BrokerId>> after;
    for (const PlannedMove& move : plan.moves) {
      EXPECT_TRUE(after.emplace(move.partition.partition.value(), move.after).second) << "a partition moves once";
      EXPECT_EQ(std::set<BrokerId>(move.after.begin(), move.after.end()).size(), move.before.size());
    }
    for (int id = 0; id < size; ++id) loads[id] = 0;
    for (size_t i = 0; i < placement.size(); ++i) {
      const auto moved = after.find(static_cast<int>(i));
      for (const BrokerId id :
           moved != after.end() ? moved->second : cluster.partition("t", static_cast<int>(i)).replicas) {
        ++loads[id.value()];
      }
    }
    const auto [low, high] = std::minmax_element(loads.begin(), loads.end(),
                                                 [](const auto& a, const auto& b) { return a.second < b.second; });
    // Each partition moves once, so very uneven ones take a second plan; what is left is told.
    if (plan.left + plan.stuck == 0) {
      EXPECT_LE(high->second - low->second, 1) << "round " << round;
    }
  }
}

TEST(PlanDecommission, says_what_would_move_and_what_cannot) {
  TestCluster cluster(3);
  cluster.place("t", {{0, 1}, {0, 1, 2}, {1, 2}});
  const MovePlan plan = plan_decommission(cluster.state, BrokerId{0}, 1000);
  ASSERT_EQ(plan.moves.size(), 1u);
  EXPECT_EQ(plan.moves[0].before, brokers({0, 1}));
  EXPECT_EQ(plan.moves[0].after, brokers({2, 1}));
  EXPECT_EQ(plan.stuck, 1) << "three replicas need three brokers";
  EXPECT_EQ(plan_decommission(cluster.state, BrokerId{0}, 0).left, 1);
}

}  // namespace
}  // namespace millrace::metadata
