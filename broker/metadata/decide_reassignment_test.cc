#include <gtest/gtest.h>

#include "broker/metadata/cluster_test_support.h"

namespace millrace::metadata {
namespace {

struct ReassignmentTest : testing::Test {
  TestCluster cluster{6};
  ReassignmentTest() { cluster.place("t", {{0, 1, 2}}); }

  Status assign(std::optional<std::vector<int>> replicas, bool allow_factor = true) {
    AlterReassignments command{.partitions = {{.partition = {"t", PartitionIndex{0}}, .replicas = {}}},
                               .allow_replication_factor_change = allow_factor};
    if (replicas) command.partitions.front().replicas = brokers(*replicas);
    return cluster(command).partitions.front().second;
  }
  const PartitionImage& partition() { return cluster.partition("t"); }
};

TEST_F(ReassignmentTest, replicas_are_added_copied_and_only_then_are_others_removed) {
  ASSERT_TRUE(assign({{3, 4, 1}}));
  EXPECT_EQ(partition().replicas, brokers({3, 4, 1, 0, 2}));
  EXPECT_EQ(partition().adding, brokers({3, 4}));
  EXPECT_EQ(partition().removing, brokers({0, 2}));
  EXPECT_EQ(partition().isr, brokers({0, 1, 2}));
  EXPECT_EQ(partition().leader, BrokerId{0});
  const auto list = list_reassignments(cluster.image(), {});
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].partition, (PartitionName{"t", PartitionIndex{0}}));
  EXPECT_EQ(list[0].replicas, brokers({3, 4, 1, 0, 2}));
  EXPECT_EQ(list[0].adding, brokers({3, 4}));
  EXPECT_EQ(list[0].removing, brokers({0, 2}));
  EXPECT_EQ(list_reassignments(cluster.image(), {{{"t", PartitionIndex{0}}, {"u", PartitionIndex{0}}}}).size(), 1u);
  EXPECT_TRUE(list_reassignments(cluster.image(), {{{"t", PartitionIndex{1}}}}).empty());

  ASSERT_TRUE(cluster.set_isr("t", {0, 1, 2, 3}));
  EXPECT_TRUE(partition().reassigning());
  EXPECT_EQ(cluster.set_isr("t", {0, 1, 2, 3, 4}).error().code, Errc::new_leader_elected);
  EXPECT_FALSE(partition().reassigning());
  EXPECT_EQ(partition().replicas, brokers({3, 4, 1}));
  EXPECT_EQ(partition().isr, brokers({1, 3, 4}));
  EXPECT_EQ(partition().leader, BrokerId{3});
  EXPECT_TRUE(list_reassignments(cluster.image(), {}).empty());
}

TEST_F(ReassignmentTest, a_removal_or_a_new_order_alone_is_done_at_once) {
  ASSERT_TRUE(assign({{2, 1}}));
  EXPECT_EQ(partition().replicas, brokers({2, 1}));
  EXPECT_EQ(partition().leader, BrokerId{2}) << "0 is gone";
  ASSERT_TRUE(assign({{1, 2}}));
  EXPECT_EQ(partition().replicas, brokers({1, 2}));
  EXPECT_EQ(partition().leader, BrokerId{2}) << "an order is a preference";
  ASSERT_TRUE(assign({{1, 2}}));
  EXPECT_EQ(cluster.records_made, 0u);
}

TEST_F(ReassignmentTest, cancelling_takes_back_what_was_added) {
  EXPECT_EQ(TestCluster::words(assign({})),
            "partition t-0: there is nothing to cancel: no reassignment is in progress");
  ASSERT_TRUE(assign({{3, 1, 2}}));
  ASSERT_TRUE(cluster.set_isr("t", {0, 1}));
  ASSERT_TRUE(assign({}));
  EXPECT_EQ(partition().replicas, brokers({1, 2, 0}));
  EXPECT_FALSE(partition().reassigning());
  EXPECT_EQ(partition().isr, brokers({0, 1}));
}

TEST_F(ReassignmentTest, cancelling_needs_a_former_replica_in_sync) {
  ASSERT_TRUE(assign({{3, 4}}));
  ASSERT_TRUE(cluster.set_isr("t", {0, 3}));
  cluster.fence(0);
  EXPECT_EQ(partition().leader, BrokerId{3});
  EXPECT_EQ(TestCluster::words(assign({})),
            "partition t-0: no replica that is in sync would be left: invalid replica assignment");
}

TEST_F(ReassignmentTest, a_second_target_replaces_the_first) {
  ASSERT_TRUE(assign({{3, 4}}));
  ASSERT_TRUE(assign({{4, 5}}));
  EXPECT_EQ(partition().replicas, brokers({4, 5, 0, 1, 2})) << "3 never belonged to it";
  EXPECT_EQ(partition().adding, brokers({4, 5}));
  EXPECT_EQ(partition().removing, brokers({0, 1, 2}));
  ASSERT_TRUE(assign({{0, 1, 2}}));
  EXPECT_FALSE(partition().reassigning()) << "back to where it was";
  EXPECT_EQ(partition().replicas, brokers({0, 1, 2}));
}

TEST_F(ReassignmentTest, a_target_that_cannot_be_is_refused) {
  const struct {
    const char* why;
    std::vector<int> target;
  } cases[] = {{"nobody", {}}, {"a stranger", {0, 9}}, {"negative", {-1}}, {"twice", {0, 0}}};
  for (const auto& each : cases) {
    EXPECT_EQ(TestCluster::code(assign(each.target)), Errc::invalid_replica_assignment) << each.why;
  }
  EXPECT_EQ(TestCluster::code(assign({{0, 1}}, false)), Errc::invalid_replication_factor);
  EXPECT_TRUE(assign({{0, 1, 3}}, false));
  EXPECT_TRUE(assign({{0, 1, 4}}, false)) << "as many as before the first one";
  const auto reply = cluster(AlterReassignments{.partitions = {{{"u", PartitionIndex{0}}, brokers({0})},
                                                               {{"t", PartitionIndex{0}}, brokers({1, 2})},
                                                               {{"t", PartitionIndex{0}}, brokers({1})}}});
  EXPECT_EQ(TestCluster::code(reply.partitions[0].second), Errc::unknown_topic_or_partition);
  EXPECT_TRUE(reply.partitions[1].second);
  EXPECT_EQ(TestCluster::code(reply.partitions[2].second), Errc::invalid_replica_assignment) << "named twice";
}

TEST_F(ReassignmentTest, new_partitions_of_a_topic_that_moves_have_as_many_replicas_as_before) {
  ASSERT_TRUE(assign({{3, 4, 5}}));
  EXPECT_TRUE(cluster(CreatePartitions{{{"t", 2, {}}}}).topics[0].second);
  EXPECT_EQ(cluster.partition("t", 1).replicas.size(), 3u);
}

// ---- decommission
struct DecommissionTest : testing::Test {
  TestCluster cluster;
  DecommissionTest() {
    for (int id = 0; id < 4; ++id) cluster.add_broker(id, id % 2 == 0 ? "a" : "b");
  }
  DecommissionProgress progress(int id) {
    return decommission_progress(cluster.state, BrokerId{id}, cluster.now.monotonic);
  }
  // Every replica that is added catches up.
  void catch_up() {
    for (const Reassignment& each : list_reassignments(cluster.image(), {})) {
      std::vector<int> all;
      for (const BrokerId id : each.replicas) {
        if (!cluster.image().find_broker(id)->fenced) all.push_back(id.value());
      }
      (void)cluster.set_isr(each.partition.topic, all, each.partition.partition.value());
    }
  }
  void tick() {
    cluster.pass(kTickInterval);
    while (cluster(Tick{}).more) {
    }
  }
};

TEST_F(DecommissionTest, replicas_move_off_a_few_at_a_time_until_the_broker_can_be_unregistered) {
  ASSERT_TRUE(cluster.create({.name = "t", .partitions = 40, .replication_factor = 2}));
  EXPECT_EQ(progress(3).since_ms, kNoTimestamp);
  ASSERT_TRUE(cluster(Decommission{BrokerId{3}, 3}));
  EXPECT_EQ(progress(3).since_ms, cluster.now.wall_ms);
  EXPECT_EQ(progress(3).partitions_left, 20);
  tick();
  EXPECT_EQ(progress(3).moving, 3);
  tick();
  EXPECT_EQ(progress(3).moving, 3) << "none of them is done";
  int rounds = 0;
  for (; progress(3).partitions_left > 0 && rounds < 50; ++rounds) {
    catch_up();
    tick();
  }
  EXPECT_EQ(rounds, 7) << "twenty, three at a time";
  for (const PartitionImage& partition : cluster.image().find_topic("t")->partitions) {
    ASSERT_EQ(partition.replicas.size(), 2u);
    EXPECT_NE(cluster.image().find_broker(partition.replicas[0])->rack,
              cluster.image().find_broker(partition.replicas[1])->rack);
  }
  EXPECT_TRUE(cluster(UnregisterBroker{BrokerId{3}}));
}

TEST_F(DecommissionTest, nothing_new_is_put_on_it_even_after_a_restart) {
  ASSERT_TRUE(cluster(Decommission{BrokerId{3}}));
  ASSERT_TRUE(cluster(cluster.registration(3, "b")));
  ASSERT_TRUE(cluster.create({.name = "t", .partitions = 20, .replication_factor = 3}));
  EXPECT_EQ(cluster.state.index.counts(BrokerId{3}).replicas, 0);
  EXPECT_EQ(TestCluster::code(cluster.create({.name = "u", .replication_factor = 4})),
            Errc::invalid_replication_factor);
  const auto reply = cluster(AlterReassignments{.partitions = {{{"t", PartitionIndex{0}}, brokers({0, 3})}}});
  EXPECT_EQ(TestCluster::words(reply.partitions[0].second),
            "partition t-0: broker 3 is being decommissioned: invalid replica assignment");
}

TEST_F(DecommissionTest, a_partition_that_nobody_else_may_take_is_reported) {
  cluster.place("t", {{0, 1, 2, 3}, {3, 0}});
  ASSERT_TRUE(cluster(Decommission{BrokerId{3}}));
  tick();
  EXPECT_EQ(progress(3).partitions_left, 2);
  EXPECT_EQ(progress(3).moving, 1);
  EXPECT_EQ(progress(3).stuck, 1);
  EXPECT_EQ(progress(3).first_stuck, (PartitionName{"t", PartitionIndex{0}}));
}

TEST_F(DecommissionTest, cancelling_takes_moves_back_and_replicas_may_come_again) {
  cluster.place("t", {{3, 0}});
  ASSERT_TRUE(cluster(Decommission{BrokerId{3}}));
  tick();
  EXPECT_TRUE(cluster.partition("t").reassigning());
  ASSERT_TRUE(cluster(CancelDecommission{BrokerId{3}}));
  EXPECT_FALSE(cluster.partition("t").reassigning());
  EXPECT_EQ(cluster.partition("t").leader, BrokerId{3});
  EXPECT_TRUE(cluster.create({.name = "u", .replication_factor = 4}));
  EXPECT_EQ(TestCluster::code(cluster(CancelDecommission{BrokerId{3}})), Errc::not_found);
  EXPECT_EQ(TestCluster::code(cluster(CancelDecommission{BrokerId{9}})), Errc::broker_not_registered);
  EXPECT_EQ(TestCluster::code(cluster(Decommission{BrokerId{9}})), Errc::broker_not_registered);
  EXPECT_EQ(TestCluster::code(cluster(Decommission{BrokerId{3}, 0})), Errc::invalid_argument);
}

TEST_F(DecommissionTest, a_dead_broker_is_drained_too) {
  cluster.place("t", {{3, 0}, {0, 3}, {3}});
  cluster.fence(3);
  ASSERT_TRUE(cluster(Decommission{BrokerId{3}}));
  tick();
  catch_up();
  EXPECT_EQ(progress(3).partitions_left, 1);
  EXPECT_EQ(progress(3).first_stuck, (PartitionName{"t", PartitionIndex{2}})) << "only 3 has it";
}

}  // namespace
}  // namespace millrace::metadata
