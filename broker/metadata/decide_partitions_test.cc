#include <gtest/gtest.h>

#include "broker/metadata/cluster_test_support.h"

namespace millrace::metadata {
namespace {

struct PartitionsTest : testing::Test {
  TestCluster cluster{4};
  PartitionsTest() {
    cluster.static_config = {{"min.insync.replicas", "2"}};
    cluster.place("t", {{0, 1, 2}, {1, 2, 0}});
  }
  // The outcome of a change to t-0 that was made wrong by `change`.
  template <class Change>
  Errc refused(Change change) {
    AlterPartition command = cluster.isr_change("t", {0, 1});
    change(command, command.partitions.front());
    const auto reply = cluster(command);
    if (!reply) return reply.error().code;
    EXPECT_EQ(cluster.records_made, 0u);
    return TestCluster::code(reply->partitions.front().outcome);
  }
};
using Item = AlterPartition::Item;

TEST_F(PartitionsTest, a_leader_shrinks_and_expands_its_in_sync_set_and_hears_the_new_state) {
  const auto shrunk = cluster(cluster.isr_change("t", {0, 1}));
  ASSERT_TRUE(shrunk->partitions.front().outcome);
  EXPECT_EQ(shrunk->partitions.front().state->isr, brokers({0, 1}));
  EXPECT_EQ(shrunk->partitions.front().state->partition_epoch, 1);
  EXPECT_EQ(cluster.partition("t").leader_epoch, LeaderEpoch{0}) << "the leader stays";
  EXPECT_EQ(cluster.partition("t").isr_since_ms, cluster.now.wall_ms);
  ASSERT_TRUE(cluster.set_isr("t", {0}));
  EXPECT_EQ(cluster.partition("t").elr, brokers({1}));
  ASSERT_TRUE(cluster.set_isr("t", {0, 1, 2}));
  EXPECT_EQ(cluster.partition("t").isr, brokers({0, 1, 2}));
  EXPECT_TRUE(cluster.partition("t").elr.empty());
  ASSERT_TRUE(cluster.set_isr("t", {2, 1, 0}));
  EXPECT_EQ(cluster.records_made, 0u) << "the same set";
}

TEST_F(PartitionsTest, a_change_that_may_not_be_is_refused_and_its_state_told) {
  const struct {
    const char* why;
    Errc code;
    std::function<void(AlterPartition&, Item&)> change;
  } cases[] = {
      {"an unregistered leader", Errc::broker_not_registered,
       [](AlterPartition& command, Item&) { command.leader = BrokerId{9}; }},
      {"a former registration", Errc::stale_broker_epoch, [](AlterPartition& command, Item&) { --command.epoch; }},
      {"an unknown topic", Errc::unknown_topic_id, [](AlterPartition&, Item& item) { item.topic = {}; }},
      {"an unknown partition", Errc::unknown_topic_or_partition,
       [](AlterPartition&, Item& item) { item.partition = PartitionIndex{2}; }},
      {"a negative partition", Errc::unknown_topic_or_partition,
       [](AlterPartition&, Item& item) { item.partition = PartitionIndex{-1}; }},
      {"a later leader epoch", Errc::not_controller,
       [](AlterPartition&, Item& item) { item.leader_epoch = LeaderEpoch{1}; }},
      {"a later partition epoch", Errc::not_controller, [](AlterPartition&, Item& item) { ++item.partition_epoch; }},
      {"an earlier leader epoch", Errc::fenced_leader_epoch,
       [](AlterPartition&, Item& item) { item.leader_epoch = LeaderEpoch{-1}; }},
      {"an earlier partition epoch", Errc::invalid_update_version,
       [](AlterPartition&, Item& item) { --item.partition_epoch; }},
      {"a partition that another leads", Errc::invalid_argument,
       [](AlterPartition&, Item& item) { item.partition = PartitionIndex{1}; }},
      {"no members", Errc::invalid_argument, [](AlterPartition&, Item& item) { item.isr.clear(); }},
      {"the leader not in it", Errc::invalid_argument,
       [](AlterPartition&, Item& item) { item.isr.erase(item.isr.begin()); }},
      {"a member twice", Errc::invalid_argument,
       [](AlterPartition&, Item& item) { item.isr.push_back(item.isr.back()); }},
      {"no replica", Errc::invalid_argument,
       [](AlterPartition&, Item& item) {
         item.isr.push_back({BrokerId{3}, -1});
       }},
      {"a member of a former registration", Errc::ineligible_replica,
       [](AlterPartition&, Item& item) { --item.isr.back().epoch; }},
  };
  for (const auto& each : cases) EXPECT_EQ(refused(each.change), each.code) << each.why;
  const auto reply = cluster(cluster.isr_change("t", {1}));
  EXPECT_EQ(*reply->partitions.front().state, cluster.partition("t"));
}

TEST_F(PartitionsTest, a_fenced_or_leaving_member_is_ineligible_and_one_of_unknown_epoch_is_not) {
  cluster.fence(2);
  EXPECT_EQ(TestCluster::words(cluster.set_isr("t", {0, 1, 2})),
            "partition t-0: broker 2 is fenced: replica may not be in sync");
  cluster.fence(2, false);
  AlterPartition command = cluster.isr_change("t", {0, 1, 2});
  command.partitions.front().isr.back().epoch = -1;
  EXPECT_TRUE(cluster(command)->partitions.front().outcome);
  cluster.beat(2, true);
  EXPECT_EQ(TestCluster::words(cluster.set_isr("t", {0, 1, 2})),
            "partition t-0: broker 2 shuts down: replica may not be in sync");
}

TEST_F(PartitionsTest, a_request_changes_many_partitions_each_on_its_own) {
  for (const char* topic : {"a", "b"}) {
    NewTopic made{.name = topic, .assignments = {}};
    for (int32_t i = 0; i < 6'000; ++i) made.assignments.push_back({PartitionIndex{i}, brokers({3, 0})});
    ASSERT_TRUE(cluster.create(std::move(made)));
  }
  AlterPartition all{.leader = BrokerId{3}, .epoch = cluster.epoch(3), .partitions = {}};
  for (int32_t i = 0; i < 12'000; ++i) {
    all.partitions.push_back({.topic = cluster.image().find_topic(i < 6'000 ? "a" : "b")->id,
                              .partition = PartitionIndex{i % 6'000},
                              .leader_epoch = LeaderEpoch{0},
                              .partition_epoch = i == 5 ? 7 : 0,
                              .isr = {{BrokerId{3}, -1}}});
  }
  all.partitions.push_back(all.partitions.front());
  const auto reply = cluster(all);
  EXPECT_EQ(cluster.records_made, static_cast<size_t>(kPartitionsPerCommandMax));
  EXPECT_EQ(TestCluster::code(reply->partitions[5].outcome), Errc::not_controller);
  EXPECT_TRUE(reply->partitions[10'000].outcome);
  EXPECT_EQ(TestCluster::code(reply->partitions[10'001].outcome), Errc::overloaded);
  EXPECT_EQ(TestCluster::code(reply->partitions[12'000].outcome), Errc::invalid_update_version) << "named twice";
}

TEST_F(PartitionsTest, a_changed_minimum_makes_nobody_eligible_and_is_known_before_sets_change) {
  ASSERT_TRUE(cluster.set_isr("t", {0}));
  ASSERT_FALSE(cluster.partition("t").elr.empty());
  const AlterPartition of_before = cluster.isr_change("t", {0, 1});
  (void)cluster(AlterConfigs{.resources = {{{2, "t"}, {{"min.insync.replicas", 0, "1"}}}}});
  EXPECT_TRUE(cluster.partition("t").elr.empty());
  EXPECT_EQ(TestCluster::code(cluster(of_before)->partitions.front().outcome), Errc::invalid_update_version);
  const int32_t epoch = cluster.partition("t").partition_epoch;
  (void)cluster(AlterConfigs{.resources = {{{4, ""}, {{"min.insync.replicas", 0, "3"}}}}});
  EXPECT_EQ(cluster.partition("t").partition_epoch, epoch + 1) << "whatever the topic itself says";
  (void)cluster(AlterConfigs{.resources = {{{4, ""}, {{"min.insync.replicas", 0, "3"}}}}});
  EXPECT_EQ(cluster.records_made, 0u) << "the same value";
  const auto refused = cluster(AlterConfigs{.resources = {{{4, "1"}, {{"min.insync.replicas", 0, "3"}}}}});
  EXPECT_EQ(TestCluster::words(refused.resources.front().second),
            "min.insync.replicas is one for all brokers: leaders move between them, and who may lead rests on it: "
            "invalid configuration");
}

// ---- elections on demand
TEST_F(PartitionsTest, a_preferred_leader_is_elected_when_it_is_in_sync) {
  const auto elect = [&](int index) {
    return cluster(ElectLeaders{ElectionKind::preferred, {{{"t", PartitionIndex{index}}}}}).partitions.front().second;
  };
  EXPECT_EQ(TestCluster::words(elect(0)), "partition t-0: no election is needed");
  cluster.fence(0);
  cluster.fence(0, false);
  EXPECT_EQ(TestCluster::words(elect(0)), "partition t-0: broker 0 is not in sync: preferred leader cannot lead");
  ASSERT_TRUE(cluster.set_isr("t", {0, 1, 2}));
  EXPECT_TRUE(elect(0));
  EXPECT_EQ(cluster.partition("t").leader, BrokerId{0});
  EXPECT_EQ(cluster.partition("t").leader_epoch, LeaderEpoch{2});
  EXPECT_EQ(TestCluster::code(elect(7)), Errc::unknown_topic_or_partition);
}

TEST_F(PartitionsTest, an_election_of_all_answers_those_that_needed_one) {
  cluster.fence(0);
  cluster.fence(0, false);
  ASSERT_TRUE(cluster.set_isr("t", {0, 1, 2}, 0));
  const auto reply = cluster(ElectLeaders{ElectionKind::preferred, {}});
  ASSERT_EQ(reply.partitions.size(), 1u);
  EXPECT_EQ(reply.partitions.front().first, (PartitionName{"t", PartitionIndex{0}}));
  EXPECT_TRUE(reply.partitions.front().second);
}

TEST_F(PartitionsTest, an_unclean_election_is_for_partitions_without_leader_and_takes_any_live_replica) {
  const auto elect = [&] {
    return cluster(ElectLeaders{ElectionKind::unclean, {{{"t", PartitionIndex{0}}}}}).partitions.front().second;
  };
  EXPECT_EQ(TestCluster::code(elect()), Errc::election_not_needed);
  cluster.fence(2);
  cluster.fence(1);
  cluster.fence(0);
  EXPECT_EQ(TestCluster::words(elect()), "partition t-0: none of its replicas is alive: no replica can lead");
  cluster.fence(2, false);
  EXPECT_EQ(cluster.partition("t").leader, kNoBroker);
  EXPECT_TRUE(elect());
  EXPECT_EQ(cluster.partition("t").leader, BrokerId{2});
  EXPECT_EQ(cluster.partition("t").isr, brokers({2}));
}

}  // namespace
}  // namespace millrace::metadata
