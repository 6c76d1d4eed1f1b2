#include "broker/metadata/cluster_report.h"

#include <gtest/gtest.h>

#include "broker/metadata/cluster_test_support.h"

namespace millrace::metadata {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct ReportTest : testing::Test {
  TestCluster cluster{3};
  ClusterReport report() { return report_of(cluster.state, cluster.now, cluster.quorum); }
  BrokerReport of(int id) { return report().brokers.at(static_cast<size_t>(id)); }
};

TEST_F(ReportTest, says_of_each_broker_what_it_leads_and_holds_and_how_much_of_that_is_in_sync) {
  cluster.place("t", {{0, 1, 2}, {1, 2, 0}, {0, 2}});
  ASSERT_TRUE(cluster.set_isr("t", {0, 1}, 0));
  const ClusterReport whole = report();
  EXPECT_EQ(whole.topics, 1);
  EXPECT_EQ(whole.partitions, 3);
  EXPECT_EQ(whole.leaderless, 0);
  EXPECT_EQ(of(0).counts.leaders, 2);
  EXPECT_EQ(of(0).counts.replicas, 3);
  EXPECT_EQ(of(2).counts.replicas, 3);
  EXPECT_EQ(of(2).counts.in_sync, 2);
  cluster.fence(0);
  EXPECT_TRUE(of(0).fenced);
  EXPECT_EQ(of(0).counts.leaders, 0);
  EXPECT_EQ(of(0).counts.in_sync, 0) << "others are in sync everywhere";
}

TEST_F(ReportTest, counts_stay_what_a_fresh_look_at_the_image_says) {
  cluster.place("t", {{0, 1, 2}, {1, 2}});
  cluster.place("u", {{2}});
  cluster.fence(2);
  ASSERT_TRUE(cluster(DeleteTopics{{std::string("t")}}).topics.at(0));
  cluster.fence(2, false);
  const ReplicaIndex fresh(cluster.image());
  for (int id = 0; id < 3; ++id) {
    EXPECT_EQ(of(id).counts.in_sync, fresh.counts(BrokerId{id}).in_sync) << id;
  }
  EXPECT_EQ(report().partitions, fresh.partitions());
  EXPECT_EQ(report().partitions, 1);
}

TEST_F(ReportTest, tells_how_long_ago_a_broker_was_heard_and_that_it_has_not_been) {
  const ControllerState fresh(ImageBuilder(std::make_shared<const ClusterImage>(cluster.image())),
                              cluster.now.monotonic);
  EXPECT_EQ(report_of(fresh, cluster.now, {}).brokers.at(1).heard_ago, std::nullopt) << "a new controller";
  cluster.beat(1);
  cluster.pass(milliseconds{700});
  EXPECT_EQ(of(1).heard_ago, milliseconds{700});
}

TEST_F(ReportTest, shows_a_permit_until_it_runs_out) {
  ASSERT_FALSE(cluster(MayStop{BrokerId{1}, "operator", seconds{60}})->refusal());
  ASSERT_TRUE(of(1).permit);
  EXPECT_EQ(of(1).permit->holder, "operator");
  EXPECT_FALSE(of(0).permit);
  cluster.pass(seconds{60});
  EXPECT_FALSE(of(1).permit);
}

TEST_F(ReportTest, shows_the_voters_as_the_quorum_has_them) {
  cluster.quorum = {{{BrokerId{0}, true}, {BrokerId{2}, false}}};
  ASSERT_EQ(report().voters.size(), 2u);
  EXPECT_FALSE(report().voters[1].live);
}

TEST_F(ReportTest, a_decommission_tells_how_far_it_is_and_from_its_pace_how_long_it_takes_yet) {
  cluster.place("t", {{0}, {0}, {0}, {0}});
  EXPECT_FALSE(of(0).decommission);
  ASSERT_TRUE(cluster(Decommission{.node = BrokerId{0}, .moves_max = 1}));
  (void)cluster(Tick{});
  ASSERT_TRUE(of(0).decommission);
  EXPECT_EQ(of(0).decommission->moves_max, 1);
  EXPECT_EQ(of(0).decommission->partitions_left, 4);
  EXPECT_EQ(of(0).decommission->moving, 1);
  EXPECT_EQ(of(0).decommission->remaining, std::nullopt) << "nothing is done yet";
  cluster.pass(seconds{3});
  for (const Reassignment& each : list_reassignments(cluster.image(), std::nullopt)) {
    const Status moved = cluster.set_isr("t", {0, each.adding.at(0).value()}, each.partition.partition.value());
    EXPECT_EQ(TestCluster::code(moved), Errc::new_leader_elected);
  }
  EXPECT_EQ(of(0).decommission->partitions_left, 3);
  EXPECT_EQ(of(0).decommission->remaining, seconds{9});
  ASSERT_TRUE(cluster(CancelDecommission{BrokerId{0}}));
  (void)cluster(Tick{});
  EXPECT_TRUE(cluster.state.pace.empty());
}

}  // namespace
}  // namespace millrace::metadata
