#include <gtest/gtest.h>

#include "broker/metadata/cluster_test_support.h"

namespace millrace::metadata {
namespace {

using std::chrono::seconds;

struct PermitsTest : testing::Test {
  TestCluster cluster{4};
  PermitsTest() { cluster.static_config = {{"min.insync.replicas", "2"}}; }

  MayStopReply ask(int node, std::string holder = "operator", bool accept_single = false) {
    const auto reply = cluster(MayStop{.node = BrokerId{node},
                                       .holder = std::move(holder),
                                       .ttl = seconds{60},
                                       .accept_single_replicas = accept_single});
    ENSURE(reply.has_value());
    return *reply;
  }
  bool granted(int node) { return !ask(node).refusal(); }
  std::string refusal(int node) {
    const MayStopReply reply = ask(node);
    return reply.refusal() ? reply.refusal()->words : "granted";
  }
};

TEST_F(PermitsTest, a_broker_may_stop_when_enough_others_are_in_sync_and_the_permit_is_kept) {
  cluster.place("t", {{0, 1, 2}});
  const MayStopReply reply = ask(0);
  ASSERT_FALSE(reply.refusal()) << reply.refusal()->words;
  EXPECT_EQ(reply.expires_ms, cluster.now.wall_ms + 60'000);
  EXPECT_EQ(cluster.image().permits.at(BrokerId{0}),
            (StopPermit{"operator", cluster.now.wall_ms, cluster.now.wall_ms + 60'000}));
}

TEST_F(PermitsTest, the_refusal_names_partition_rule_and_time) {
  cluster.place("a", {{1, 2, 3}});
  cluster.place("b", {{1, 2, 3}, {0, 1, 2}});
  cluster.pass(seconds{5});
  ASSERT_TRUE(cluster.set_isr("b", {0, 1}, 1));
  const Timestamp since = cluster.now.wall_ms;
  cluster.pass(seconds{5});
  const auto refusal = ask(1).refusal();
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->rule, StopRule::min_insync);
  EXPECT_EQ(refusal->partition, (PartitionName{"b", PartitionIndex{1}}));
  EXPECT_EQ(refusal->since_ms, since);
  EXPECT_EQ(refusal->words,
            "partition b-1 needs 2 in-sync replicas and would have 1 without broker 1 (in sync: 0, 1; of these "
            "remain: 0)");
  EXPECT_TRUE(cluster.image().permits.empty());
  EXPECT_TRUE(granted(2)) << "it is not in sync there, so nothing is lost";
}

TEST_F(PermitsTest, everything_that_blocks_is_counted_and_the_first_of_it_named) {
  cluster.place("t", std::vector<std::vector<int>>(kNamedPartitionsMax + 5, {0, 1}));
  cluster.place("u", {{1, 2, 3}});
  cluster.quorum = {{{BrokerId{0}, false}, {BrokerId{1}, true}, {BrokerId{2}, true}}};
  const MayStopReply reply = ask(1);
  EXPECT_EQ(reply.refusals_total, static_cast<int32_t>(kNamedPartitionsMax) + 6);
  ASSERT_EQ(reply.refusals.size(), kNamedPartitionsMax);
  EXPECT_EQ(reply.refusals[0].rule, StopRule::quorum_majority);
  EXPECT_EQ(reply.refusals[1].partition, (PartitionName{"t", PartitionIndex{0}}));
  EXPECT_EQ(reply.refusals[9].partition, (PartitionName{"t", PartitionIndex{8}}));
}

TEST_F(PermitsTest, another_permit_counts_as_a_broker_that_is_gone_until_it_ends) {
  cluster.place("t", {{0, 1, 2}});
  ASSERT_TRUE(granted(0));
  const Timestamp since = cluster.now.wall_ms;
  cluster.pass(seconds{1});
  const auto refusal = ask(1).refusal();
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->rule, StopRule::min_insync);
  EXPECT_EQ(refusal->since_ms, since) << "since the other permit was given";
  EXPECT_TRUE(granted(3)) << "it holds nothing";
  ASSERT_TRUE(cluster(ReleasePermit{BrokerId{0}, "operator"}));
  EXPECT_TRUE(granted(1));
  cluster.pass(seconds{60});
  EXPECT_TRUE(granted(0)) << "the permit of 1 has run out";
  EXPECT_EQ(cluster.image().permits.size(), 3u);
  (void)cluster(Tick{});
  EXPECT_EQ(cluster.image().permits.size(), 1u) << "and is taken away by a tick";
}

TEST_F(PermitsTest, fenced_and_leaving_brokers_count_as_gone) {
  cluster.place("t", {{0, 1, 2, 3}});
  cluster.fence(3);
  EXPECT_TRUE(granted(0));
  ASSERT_TRUE(cluster(ReleasePermit{BrokerId{0}, "operator"}));
  cluster.beat(2, true);
  EXPECT_EQ(refusal(0),
            "partition t-0 needs 2 in-sync replicas and would have 1 without broker 0 (in sync: 0, 1; of these remain: "
            "1)");
}

TEST_F(PermitsTest, the_only_replica_may_stop_only_when_that_is_accepted) {
  cluster.place("t", {{0}});
  const auto refusal = ask(0).refusal();
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->rule, StopRule::no_other_leader);
  EXPECT_EQ(refusal->words, "nobody else could lead partition t-0 without broker 0 (in sync: 0; of these remain: )");
  EXPECT_FALSE(ask(0, "operator", true).refusal());
  cluster.place("u", {{1, 2}});
  ASSERT_TRUE(cluster.set_isr("u", {1}));
  EXPECT_TRUE(ask(1, "operator", true).refusal()) << "this one has two";
}

TEST_F(PermitsTest, a_permit_has_one_holder_who_may_renew_it) {
  ASSERT_TRUE(granted(0));
  const auto other = ask(0, "preStop").refusal();
  ASSERT_TRUE(other);
  EXPECT_EQ(other->rule, StopRule::other_permit);
  EXPECT_EQ(other->words, "operator holds the permit to stop broker 0");
  EXPECT_EQ(TestCluster::code(cluster(ReleasePermit{BrokerId{0}, "preStop"})), Errc::policy_violation);
  const Timestamp since = cluster.now.wall_ms;
  cluster.pass(seconds{30});
  ASSERT_TRUE(granted(0));
  EXPECT_EQ(cluster.image().permits.at(BrokerId{0}).granted_ms, since);
  EXPECT_EQ(cluster.image().permits.at(BrokerId{0}).expires_ms, cluster.now.wall_ms + 60'000);
  EXPECT_TRUE(cluster(ReleasePermit{BrokerId{0}, "operator"}));
  EXPECT_EQ(TestCluster::code(cluster(ReleasePermit{BrokerId{0}, "operator"})), Errc::not_found);
}

TEST_F(PermitsTest, a_broker_that_is_down_already_may_be_handled) {
  cluster.place("t", {{0, 1}});
  cluster.fence(1);
  cluster.fence(0);
  EXPECT_TRUE(granted(0));
  EXPECT_TRUE(granted(1));
}

TEST_F(PermitsTest, a_quorum_of_one_may_stop_when_single_replicas_may) {
  cluster.quorum = {{{BrokerId{0}, true}}};
  EXPECT_EQ(ask(0).refusal()->rule, StopRule::quorum_majority);
  EXPECT_FALSE(ask(0, "operator", true).refusal());
  cluster.quorum = {{{BrokerId{0}, true}, {BrokerId{1}, true}}};
  EXPECT_EQ(ask(0, "operator", true).refusal()->rule, StopRule::quorum_majority) << "this one has two";
}

TEST_F(PermitsTest, the_quorum_keeps_a_majority) {
  cluster.quorum = {{{BrokerId{0}, true}, {BrokerId{1}, true}, {BrokerId{2}, false}}};
  EXPECT_EQ(refusal(0), "the metadata quorum needs 2 of its 3 members and would have 1 without broker 0");
  EXPECT_TRUE(granted(2)) << "it is not counted on";
  EXPECT_TRUE(granted(3)) << "no member";
  ASSERT_TRUE(cluster(ReleasePermit{BrokerId{2}, "operator"}));
  cluster.quorum.voters[2].live = true;
  EXPECT_TRUE(granted(0));
  EXPECT_EQ(ask(1).refusal()->rule, StopRule::quorum_majority) << "0 may be gone";
}

TEST_F(PermitsTest, an_impossible_question_is_an_error) {
  EXPECT_EQ(TestCluster::code(cluster(MayStop{BrokerId{9}, "x", seconds{1}})), Errc::broker_not_registered);
  EXPECT_EQ(TestCluster::code(cluster(MayStop{BrokerId{0}, "", seconds{1}})), Errc::invalid_argument);
  EXPECT_EQ(TestCluster::code(cluster(MayStop{BrokerId{0}, "x", seconds{0}})), Errc::invalid_argument);
  EXPECT_EQ(TestCluster::code(cluster(MayStop{BrokerId{0}, "x", seconds{3601}})), Errc::invalid_argument);
}

}  // namespace
}  // namespace millrace::metadata
