#include "broker/metadata/partition_rules.h"

#include <gtest/gtest.h>

#include "broker/metadata/cluster_test_support.h"

namespace millrace::metadata {
namespace {

// Brokers 0 to 3; a partition on 0, 1 and 2 unless said otherwise.
struct RulesTest : testing::Test {
  TestCluster cluster{4};
  Standing standing{cluster.image(), 0};
  PartitionRules rules{.brokers = &standing, .min_insync = 2, .unclean_election = false, .now_ms = 50};
  PartitionImage before{.leader = BrokerId{0},
                        .leader_epoch = LeaderEpoch{5},
                        .partition_epoch = 9,
                        .replicas = brokers({0, 1, 2}),
                        .isr = brokers({0, 1, 2}),
                        .isr_since_ms = 10};

  PartitionImage after(PartitionImage wanted, SettleOptions options = {}) {
    return settle(before, std::move(wanted), rules, options).value_or(before);
  }
  PartitionImage after() { return after(before); }
  void gone(std::vector<int> ids) {
    for (const int id : ids) standing.take_away(BrokerId{id});
  }
};

TEST_F(RulesTest, a_partition_that_is_as_it_should_be_stays) {
  EXPECT_FALSE(settle(before, before, rules));
  before.isr = brokers({2, 0, 1});
  EXPECT_FALSE(settle(before, before, rules)) << "whatever the order of the set";
}

TEST_F(RulesTest, a_lost_leader_is_followed_by_the_first_in_sync_replica_and_epochs_count) {
  gone({0});
  EXPECT_EQ(after().leader, BrokerId{1});
  EXPECT_EQ(after().isr, brokers({1, 2}));
  EXPECT_EQ(after().leader_epoch, LeaderEpoch{6});
  EXPECT_EQ(after().partition_epoch, 10);
  EXPECT_EQ(after().isr_since_ms, 50);
  EXPECT_TRUE(after().elr.empty()) << "two in sync are enough";
}

TEST_F(RulesTest, a_lost_follower_costs_no_leader_epoch) {
  gone({1});
  EXPECT_EQ(after().leader, BrokerId{0});
  EXPECT_EQ(after().leader_epoch, LeaderEpoch{5});
  EXPECT_EQ(after().partition_epoch, 10);
}

TEST_F(RulesTest, who_falls_out_below_the_minimum_stays_eligible) {
  gone({1, 2});
  before.last_known_elr = brokers({});
  EXPECT_EQ(after().isr, brokers({0}));
  EXPECT_EQ(after().elr, brokers({1, 2}));
  before = after();
  gone({0});
  EXPECT_EQ(after().leader, kNoBroker);
  EXPECT_EQ(after().isr, brokers({0})) << "the set stays: nobody could commit without it";
  EXPECT_EQ(after().elr, brokers({1, 2}));
  before = after();
  standing.bring(BrokerId{2});
  EXPECT_EQ(after().leader, BrokerId{2}) << "eligible: it has all that was committed";
  EXPECT_EQ(after().isr, brokers({2}));
  EXPECT_EQ(after().elr, brokers({0, 1}));
  before = after();
  standing.bring(BrokerId{0});
  PartitionImage grown = before;
  grown.isr = brokers({2, 0});
  EXPECT_TRUE(after(grown).elr.empty()) << "two are in sync: records are committed without the others";
}

TEST_F(RulesTest, nobody_becomes_eligible_where_one_in_sync_replica_is_enough) {
  rules.min_insync = 1;
  gone({1, 2});
  EXPECT_TRUE(after().elr.empty());
}

TEST_F(RulesTest, a_minimum_beyond_the_replicas_means_all_of_them) {
  rules.min_insync = 7;
  gone({2});
  EXPECT_EQ(after().elr, brokers({2}));
  EXPECT_EQ(in_sync_needed(rules, 3), 3u);
}

TEST_F(RulesTest, a_set_that_is_lost_at_once_keeps_all_its_members) {
  gone({0, 1, 2});
  EXPECT_EQ(after().leader, kNoBroker);
  EXPECT_EQ(after().isr, brokers({0, 1, 2}));
  before = after();
  standing.bring(BrokerId{2});
  EXPECT_EQ(after().leader, BrokerId{2}) << "whoever comes first";
  EXPECT_EQ(after().isr, brokers({2}));
  EXPECT_EQ(after().elr, brokers({0, 1}));
}

TEST_F(RulesTest, a_replica_that_may_lack_records_leads_only_where_that_is_allowed) {
  before.isr = brokers({0});
  before.elr = brokers({1});
  gone({0, 1});
  EXPECT_EQ(after().leader, kNoBroker);
  EXPECT_EQ(after(before, {.unclean = true}).leader, BrokerId{2}) << "asked for";
  rules.unclean_election = true;
  EXPECT_EQ(after().leader, BrokerId{2});
  EXPECT_EQ(after().isr, brokers({2}));
  EXPECT_TRUE(after().elr.empty()) << "what 1 has is not what counts any more";
  standing.bring(BrokerId{1});
  EXPECT_EQ(after().leader, BrokerId{1}) << "no need while an eligible one is there";
}

TEST_F(RulesTest, an_unclean_election_takes_a_replica_that_is_only_being_added_last) {
  before.replicas = brokers({3, 1, 0});
  before.isr = brokers({0});
  before.adding = brokers({3});
  before.removing = brokers({0});
  gone({0});
  EXPECT_EQ(after(before, {.unclean = true}).leader, BrokerId{1});
  gone({1});
  EXPECT_EQ(after(before, {.unclean = true}).leader, BrokerId{3});
}

TEST_F(RulesTest, who_shuts_down_hands_over_and_stays_where_nobody_else_can_lead) {
  standing.dismiss(BrokerId{0});
  EXPECT_EQ(after().leader, BrokerId{1});
  EXPECT_EQ(after().isr, brokers({1, 2}));
  gone({1, 2});
  EXPECT_EQ(after().leader, BrokerId{0});
  EXPECT_EQ(after().leader_epoch, LeaderEpoch{5});
}

TEST_F(RulesTest, a_broker_that_may_stop_is_elected_last) {
  ASSERT_TRUE(cluster(MayStop{BrokerId{1}, "operator", std::chrono::seconds{9}}));
  standing = Standing(cluster.image(), cluster.now.wall_ms);
  gone({0});
  EXPECT_EQ(after().leader, BrokerId{2});
  gone({2});
  EXPECT_EQ(after().leader, BrokerId{1});
  standing = Standing(cluster.image(), cluster.now.wall_ms + 9'000);
  gone({0});
  EXPECT_EQ(after().leader, BrokerId{1}) << "the permit has run out";
}

TEST_F(RulesTest, the_preferred_leader_leads_again_when_asked_and_in_sync) {
  before.leader = BrokerId{1};
  EXPECT_EQ(after().leader, BrokerId{1});
  EXPECT_EQ(after(before, {.prefer_first = true}).leader, BrokerId{0});
  before.isr = brokers({1, 2});
  EXPECT_EQ(after(before, {.prefer_first = true}).leader, BrokerId{1});
}

TEST_F(RulesTest, a_reassignment_ends_when_all_new_replicas_and_enough_others_are_in_sync) {
  before.replicas = brokers({2, 3, 0, 1});
  before.isr = brokers({0, 1});
  before.adding = brokers({3});
  before.removing = brokers({0, 1});
  PartitionImage wanted = before;
  wanted.isr = brokers({0, 1, 2});
  EXPECT_TRUE(after(wanted).reassigning()) << "3 is not in sync";
  wanted.isr = brokers({0, 1, 3});
  EXPECT_TRUE(after(wanted).reassigning()) << "one would be left in sync, two are needed";
  wanted.isr = brokers({0, 1, 2, 3});
  EXPECT_FALSE(after(wanted).reassigning());
  EXPECT_EQ(after(wanted).replicas, brokers({2, 3}));
  EXPECT_EQ(after(wanted).isr, brokers({2, 3}));
  EXPECT_EQ(after(wanted).leader, BrokerId{2});
  ASSERT_TRUE(cluster(MayStop{BrokerId{3}, "operator", std::chrono::seconds{9}}));
  standing = Standing(cluster.image(), cluster.now.wall_ms);
  EXPECT_TRUE(after(wanted).reassigning()) << "3 may stop: one would be left";
}

TEST_F(RulesTest, removing_a_follower_costs_a_leader_epoch) {
  before.removing = brokers({2});
  EXPECT_EQ(after().replicas, brokers({0, 1}));
  EXPECT_EQ(after().leader, BrokerId{0});
  EXPECT_EQ(after().leader_epoch, LeaderEpoch{6}) << "so that 2 cannot follow any more";
}

TEST_F(RulesTest, a_lost_replica_leaves_the_sets_that_have_others) {
  struct Case {
    const char* what;
    std::vector<int> isr, elr, isr_after, elr_after;
  };
  const std::vector<Case> cases = {{"one of several in sync", {0, 1}, {}, {1}, {}},
                                   {"the last one", {0}, {}, {0}, {}},
                                   {"the last in sync, others eligible", {0}, {1, 2}, {1, 2}, {}},
                                   {"eligible", {1}, {0, 2}, {1}, {2}},
                                   {"in neither", {1}, {2}, {1}, {2}}};
  for (const Case& each : cases) {
    PartitionImage state = before;
    state.isr = brokers(each.isr);
    state.elr = brokers(each.elr);
    remove_lost(state, BrokerId{0});
    EXPECT_EQ(state.isr, brokers(each.isr_after)) << each.what;
    EXPECT_EQ(state.elr, brokers(each.elr_after)) << each.what;
  }
}

}  // namespace
}  // namespace millrace::metadata
