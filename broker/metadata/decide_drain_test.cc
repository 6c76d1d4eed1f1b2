#include <gtest/gtest.h>

#include "broker/metadata/cluster_test_support.h"

namespace millrace::metadata {
namespace {

using std::chrono::seconds;

struct DrainTest : testing::Test {
  TestCluster cluster{3};
  DrainLeadershipReply drain(int node) {
    const auto reply = cluster(DrainLeadership{BrokerId{node}});
    ENSURE(reply.has_value());
    return *reply;
  }
};

TEST_F(DrainTest, everything_that_another_in_sync_replica_can_lead_goes_to_it_and_nobody_leaves_the_set) {
  cluster.place("t", {{0, 1, 2}, {1, 0, 2}, {0, 2, 1}});
  const LeaderEpoch epoch = cluster.partition("t").leader_epoch;
  const DrainLeadershipReply reply = drain(0);
  EXPECT_EQ(reply.moved, 2);
  EXPECT_EQ(reply.left, 0);
  EXPECT_FALSE(reply.more);
  EXPECT_EQ(cluster.partition("t", 0).leader, BrokerId{1});
  EXPECT_EQ(cluster.partition("t", 1).leader, BrokerId{1});
  EXPECT_EQ(cluster.partition("t", 2).leader, BrokerId{2});
  EXPECT_EQ(cluster.partition("t", 0).isr, brokers({0, 1, 2}));
  EXPECT_EQ(cluster.partition("t", 0).leader_epoch, epoch.next());
  EXPECT_EQ(cluster.state.index.counts(BrokerId{0}).leaders, 0);
  EXPECT_EQ(drain(0).moved, 0) << "asking again changes nothing";
  EXPECT_EQ(cluster.records_made, 0u);
}

TEST_F(DrainTest, what_nobody_else_could_lead_stays_and_is_named) {
  cluster.place("alone", {{0}});
  cluster.place("behind", {{0, 1}});
  ASSERT_TRUE(cluster.set_isr("behind", {0}));
  cluster.place("led", {{0, 2}});
  cluster.fence(2);
  const DrainLeadershipReply reply = drain(0);
  EXPECT_EQ(reply.moved, 0);
  EXPECT_EQ(reply.left, 3);
  ASSERT_EQ(reply.first_left.size(), 3u);
  EXPECT_EQ(cluster.partition("led").leader, BrokerId{0});
}

TEST_F(DrainTest, nobody_who_may_stop_himself_gets_it) {
  cluster.place("t", {{0, 1, 2}});
  ASSERT_FALSE(cluster(MayStop{BrokerId{1}, "operator", seconds{60}})->refusal());
  EXPECT_EQ(drain(0).moved, 1);
  EXPECT_EQ(cluster.partition("t").leader, BrokerId{2});
}

TEST_F(DrainTest, with_a_permit_it_stays_away_and_without_one_it_comes_back_with_the_next_balance) {
  cluster.static_config = {{"leader.imbalance.check.interval.seconds", "10"}};
  cluster.place("t", {{0, 1, 2}});
  const auto balance = [&] {
    for (int i = 0; i < 120; ++i) {
      cluster.pass(kTickInterval);
      for (int id = 0; id < 3; ++id) cluster.beat(id);
      (void)cluster(Tick{});
    }
    return cluster.partition("t").leader;
  };
  ASSERT_FALSE(cluster(MayStop{BrokerId{0}, "operator", seconds{600}})->refusal());
  EXPECT_EQ(drain(0).moved, 1);
  EXPECT_EQ(balance(), BrokerId{1});
  ASSERT_TRUE(cluster(ReleasePermit{BrokerId{0}, "operator"}));
  EXPECT_EQ(balance(), BrokerId{0});
}

TEST_F(DrainTest, a_broker_that_nobody_knows_is_an_error) {
  EXPECT_EQ(TestCluster::code(cluster(DrainLeadership{BrokerId{9}})), Errc::broker_not_registered);
}

}  // namespace
}  // namespace millrace::metadata
