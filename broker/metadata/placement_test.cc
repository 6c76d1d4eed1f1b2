#include "broker/metadata/placement.h"

#include <random>

#include <gtest/gtest.h>

#include "broker/metadata/cluster_test_support.h"

namespace millrace::metadata {
namespace {

// Brokers in racks of the sizes given, numbered at random.
struct Layout {
  Layout(const std::vector<int>& sizes, uint64_t seed) {
    std::vector<int> ids;
    for (size_t i = 0; i < sizes.size(); ++i) ids.insert(ids.end(), static_cast<size_t>(sizes[i]), 0);
    for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int>(i);
    std::mt19937_64 random(seed);
    std::shuffle(ids.begin(), ids.end(), random);
    auto next = ids.begin();
    for (size_t rack = 0; rack < sizes.size(); ++rack) {
      for (int i = 0; i < sizes[rack]; ++i) cluster.add_broker(*next++, "r" + std::to_string(rack));
    }
  }
  std::string rack(BrokerId id) { return cluster.image().find_broker(id)->rack; }
  TestCluster cluster;
};

struct Spread {
  int least = 0;
  int most = 0;
  int difference() const { return most - least; }
};

Spread spread_of(const std::map<BrokerId, int>& counts, const std::vector<BrokerId>& all) {
  Spread spread{.least = 1 << 30, .most = 0};
  for (const BrokerId id : all) {
    const auto found = counts.find(id);
    const int count = found == counts.end() ? 0 : found->second;
    spread.least = std::min(spread.least, count);
    spread.most = std::max(spread.most, count);
  }
  return spread;
}

void check(Layout& layout, const std::vector<Replicas>& placed, size_t racks, int tolerance) {
  std::map<BrokerId, int> leaders;
  std::map<BrokerId, int> replicas;
  for (const Replicas& partition : placed) {
    ++leaders[partition.front()];
    std::set<std::string> used;
    std::set<BrokerId> members;
    for (const BrokerId id : partition) {
      ++replicas[id];
      used.insert(layout.rack(id));
      members.insert(id);
    }
    ASSERT_EQ(members.size(), partition.size()) << "a broker twice";
    ASSERT_EQ(used.size(), std::min(racks, partition.size()));
  }
  ASSERT_LE(spread_of(leaders, layout.cluster.image().alive_brokers()).difference(), tolerance) << "leaders";
  ASSERT_LE(spread_of(replicas, layout.cluster.image().alive_brokers()).difference(), tolerance) << "replicas";
}

TEST(Placement, with_even_racks_leaders_and_replicas_differ_by_one_at_most_also_after_growth) {
  for (const std::vector<int>& sizes : std::vector<std::vector<int>>{
           {1}, {5}, {6}, {10}, {1, 1, 1}, {2, 2}, {2, 2, 2}, {3, 3, 3}, {4, 4, 4, 4}, {7, 7}}) {
    for (uint64_t seed = 1; seed <= 30; ++seed) {
      SCOPED_TRACE(std::to_string(sizes.size()) + " racks of " + std::to_string(sizes[0]) + ", seed " +
                   std::to_string(seed));
      Layout layout(sizes, seed);
      std::mt19937_64 random(seed);
      const size_t brokers_in_all = sizes.size() * static_cast<size_t>(sizes[0]);
      const int32_t factor = 1 + static_cast<int32_t>(random() % std::min<size_t>(brokers_in_all, 5));
      const int32_t first = static_cast<int32_t>(random() % 40);
      const int32_t more = 1 + static_cast<int32_t>(random() % 40);
      auto placed = *place_partitions(layout.cluster.image(), {}, first, factor, seed);
      std::vector<PartitionImage> existing;
      for (const Replicas& replicas : placed) {
        existing.push_back(new_partition(layout.cluster.image(), replicas, 0));
      }
      const auto added = *place_partitions(layout.cluster.image(), existing, more, factor, seed);
      placed.insert(placed.end(), added.begin(), added.end());
      check(layout, placed, sizes.size(), 1);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(Placement, with_uneven_racks_replicas_lie_in_as_many_racks_as_there_are_and_a_racks_brokers_are_even) {
  for (const std::vector<int>& sizes :
       std::vector<std::vector<int>>{{1, 5}, {1, 2, 3}, {2, 3}, {1, 1, 4}, {5, 1, 5}, {2, 4, 6, 8}}) {
    for (uint64_t seed = 1; seed <= 30; ++seed) {
      SCOPED_TRACE(std::to_string(sizes.size()) + " racks, seed " + std::to_string(seed));
      Layout layout(sizes, seed);
      const int32_t factor = 1 + static_cast<int32_t>(seed % 3);
      const auto placed = *place_partitions(layout.cluster.image(), {}, 120, factor, seed);
      check(layout, placed, sizes.size(), 1'000);
      if (testing::Test::HasFatalFailure()) return;
      std::map<BrokerId, int> replicas;
      std::map<BrokerId, int> leaders;
      for (const Replicas& partition : placed) {
        ++leaders[partition.front()];
        for (const BrokerId id : partition) ++replicas[id];
      }
      std::map<std::string, std::vector<BrokerId>> by_rack;
      for (const auto& [id, broker] : layout.cluster.image().brokers) by_rack[broker.rack].push_back(id);
      for (const auto& [rack, members] : by_rack) EXPECT_LE(spread_of(replicas, members).difference(), 1) << rack;
      const int mean = 120 / static_cast<int>(layout.cluster.image().brokers.size());
      EXPECT_LE(spread_of(leaders, layout.cluster.image().alive_brokers()).difference(), mean);
    }
  }
}

TEST(Placement, racks_get_replicas_in_proportion_where_that_is_possible) {
  Layout layout({2, 4}, 1);
  std::map<BrokerId, int> replicas;
  const auto placed = *place_partitions(layout.cluster.image(), {}, 60, 1, 7);
  for (const Replicas& partition : placed) ++replicas[partition[0]];
  EXPECT_EQ(spread_of(replicas, layout.cluster.image().alive_brokers()).difference(), 0);
}

TEST(Placement, partitions_that_are_added_after_a_broker_came_go_to_it_first) {
  TestCluster cluster(3);
  ASSERT_TRUE(cluster.create({.name = "t", .partitions = 9, .replication_factor = 2}));
  cluster.add_broker(3);
  EXPECT_TRUE(cluster(CreatePartitions{{{"t", 12, {}}}}).topics[0].second);
  for (int i = 9; i < 12; ++i) {
    const auto& replicas = cluster.partition("t", i).replicas;
    EXPECT_NE(std::find(replicas.begin(), replicas.end(), BrokerId{3}), replicas.end()) << i;
  }
}

TEST(Placement, the_same_seed_gives_the_same_and_another_one_another) {
  TestCluster cluster(6);
  const auto place = [&](uint64_t seed) { return *place_partitions(cluster.image(), {}, 20, 3, seed); };
  EXPECT_EQ(place(1), place(1));
  EXPECT_NE(place(1), place(2));
}

TEST(Placement, what_is_fenced_leaves_or_is_decommissioned_gets_nothing) {
  TestCluster cluster(5);
  cluster.fence(0);
  cluster.beat(1, true);
  ASSERT_TRUE(cluster(Decommission{BrokerId{2}}));
  const auto placed = *place_partitions(cluster.image(), {}, 10, 2, 1);
  for (const Replicas& partition : placed) {
    EXPECT_EQ(std::set<BrokerId>(partition.begin(), partition.end()), (std::set<BrokerId>{BrokerId{3}, BrokerId{4}}));
  }
  EXPECT_EQ(TestCluster::words(place_partitions(cluster.image(), {}, 1, 3, 1)),
            "replication factor 3 with 2 live brokers: invalid replication factor");
}

}  // namespace
}  // namespace millrace::metadata
