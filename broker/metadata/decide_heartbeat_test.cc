#include <gtest/gtest.h>

#include "broker/metadata/cluster_test_support.h"

namespace millrace::metadata {
namespace {

using std::chrono::milliseconds;

struct HeartbeatTest : testing::Test {
  TestCluster cluster;
  HeartbeatTest() {
    for (int id = 0; id < 3; ++id) {
      cluster.start(id);
      cluster.beat(id);
    }
  }
  bool fenced(int id) { return cluster.image().find_broker(BrokerId{id})->fenced; }
  // Time passes in steps of the controller's ticks; the brokers named are heard from at each.
  TickReply ticks(milliseconds time, std::vector<int> heard = {}) {
    TickReply all;
    for (milliseconds passed{0}; passed < time; passed += kTickInterval) {
      cluster.pass(kTickInterval);
      for (const int id : heard) cluster.beat(id);
      TickReply reply;
      do {
        reply = cluster(Tick{});
        all.fenced.insert(all.fenced.end(), reply.fenced.begin(), reply.fenced.end());
        all.partitions_changed += reply.partitions_changed;
      } while (reply.more);
    }
    return all;
  }
};

TEST_F(HeartbeatTest, a_new_broker_is_fenced_until_it_has_its_own_registration) {
  cluster.start(3);
  EXPECT_TRUE(fenced(3));
  BrokerHeartbeat beat{.id = BrokerId{3}, .epoch = cluster.epoch(3), .metadata_offset = Offset{cluster.epoch(3) - 1}};
  EXPECT_FALSE(cluster(beat)->is_caught_up);
  EXPECT_TRUE(cluster(beat)->is_fenced);
  beat.metadata_offset = Offset{cluster.epoch(3)};
  beat.want_fence = true;
  EXPECT_TRUE(cluster(beat)->is_caught_up);
  EXPECT_TRUE(fenced(3)) << "it does not want to serve yet";
  beat.want_fence = false;
  EXPECT_FALSE(cluster(beat)->is_fenced);
  EXPECT_FALSE(fenced(3));
  EXPECT_TRUE(cluster(beat));
  EXPECT_EQ(cluster.records_made, 0u) << "heartbeats of a healthy broker are not logged";
}

TEST_F(HeartbeatTest, a_heartbeat_of_a_replaced_or_unknown_broker_is_refused) {
  EXPECT_EQ(TestCluster::code(cluster(BrokerHeartbeat{.id = BrokerId{9}})), Errc::broker_not_registered);
  EXPECT_EQ(TestCluster::code(cluster(BrokerHeartbeat{.id = BrokerId{1}, .epoch = cluster.epoch(1) - 1})),
            Errc::stale_broker_epoch);
}

TEST_F(HeartbeatTest, a_broker_that_wants_to_be_fenced_is) {
  cluster.place("t", {{1, 2}});
  const auto reply = cluster(BrokerHeartbeat{.id = BrokerId{1}, .epoch = cluster.epoch(1), .want_fence = true});
  EXPECT_TRUE(reply->is_fenced);
  EXPECT_FALSE(reply->should_shut_down);
  EXPECT_EQ(cluster.partition("t").leader, BrokerId{2});
}

TEST_F(HeartbeatTest, two_seconds_of_silence_fence_a_broker_and_the_next_heartbeat_brings_it_back) {
  cluster.place("t", {{1, 0, 2}});
  EXPECT_TRUE(ticks(milliseconds{2000}, {0, 2}).fenced.empty());
  EXPECT_EQ(ticks(milliseconds{100}, {0, 2}).fenced, brokers({1}));
  EXPECT_TRUE(fenced(1));
  EXPECT_EQ(cluster.image().find_broker(BrokerId{1})->state_since_ms, cluster.now.wall_ms);
  EXPECT_EQ(cluster.partition("t").leader, BrokerId{0});
  EXPECT_EQ(cluster.partition("t").isr, brokers({0, 2}));
  EXPECT_FALSE(cluster.beat(1).is_fenced);
  EXPECT_TRUE(ticks(milliseconds{1000}, {0, 1, 2}).fenced.empty());
}

TEST_F(HeartbeatTest, brokers_that_fall_silent_together_are_not_elected_in_each_others_place) {
  cluster.place("t", {{0, 1, 2}, {0, 1}});
  const TickReply reply = ticks(milliseconds{2100}, {2});
  EXPECT_EQ(reply.fenced, brokers({0, 1}));
  EXPECT_EQ(cluster.partition("t", 0).leader, BrokerId{2});
  EXPECT_EQ(cluster.partition("t", 0).leader_epoch, LeaderEpoch{1});
  EXPECT_EQ(cluster.partition("t", 1).leader, kNoBroker);
  EXPECT_EQ(cluster.partition("t", 1).isr, brokers({0, 1}));
}

TEST_F(HeartbeatTest, a_broker_whose_process_is_gone_is_fenced_at_once) {
  cluster.place("t", {{1, 0, 2}});
  EXPECT_EQ(TestCluster::code(cluster(BrokerGone{.id = BrokerId{1}, .epoch = cluster.epoch(1) - 1})),
            Errc::stale_broker_epoch);
  EXPECT_FALSE(fenced(1));
  EXPECT_TRUE(cluster(BrokerGone{.id = BrokerId{1}, .epoch = cluster.epoch(1)}));
  EXPECT_TRUE(fenced(1));
  EXPECT_EQ(cluster.partition("t").leader, BrokerId{0});
  EXPECT_EQ(cluster.partition("t").isr, brokers({0, 2}));
}

TEST_F(HeartbeatTest, what_is_left_of_a_broker_that_is_gone_moves_with_the_ticks_that_follow) {
  for (const char* topic : {"a", "b"}) {
    ASSERT_TRUE(cluster.create({.name = topic, .partitions = 9'000, .replication_factor = 2}));
  }
  ASSERT_EQ(cluster.state.index.counts(BrokerId{0}).replicas, 12'000);
  EXPECT_TRUE(cluster(BrokerGone{.id = BrokerId{0}, .epoch = cluster.epoch(0)}));
  EXPECT_FALSE(fenced(0));
  EXPECT_EQ(cluster(Tick{}).fenced, brokers({0}));
}

TEST_F(HeartbeatTest, a_broker_that_was_said_to_be_gone_and_was_not_is_fenced_for_silence_alone_for_a_while) {
  ASSERT_TRUE(cluster(BrokerGone{.id = BrokerId{1}, .epoch = cluster.epoch(1)}));
  EXPECT_FALSE(cluster.beat(1).is_fenced);
  EXPECT_EQ(TestCluster::code(cluster(BrokerGone{.id = BrokerId{1}, .epoch = cluster.epoch(1)})), Errc::conflict);
  EXPECT_FALSE(fenced(1));
  EXPECT_EQ(ticks(milliseconds{2100}, {0, 2}).fenced, brokers({1}));
  cluster.beat(1);
  ticks(kGoneDoubted, {0, 1, 2});
  EXPECT_TRUE(cluster(BrokerGone{.id = BrokerId{1}, .epoch = cluster.epoch(1)}));
}

TEST_F(HeartbeatTest, a_new_controller_gives_everyone_a_whole_session) {
  ticks(milliseconds{1900}, {});
  cluster.state = ControllerState(ImageBuilder(cluster.builder.image()), cluster.now.monotonic);
  EXPECT_TRUE(ticks(milliseconds{2000}).fenced.empty());
  EXPECT_EQ(ticks(milliseconds{100}).fenced, brokers({0, 1, 2}));
}

TEST_F(HeartbeatTest, a_controller_that_stood_still_blames_nobody) {
  ticks(milliseconds{200}, {0, 1, 2});
  cluster.pass(milliseconds{60'000});
  EXPECT_TRUE(cluster(Tick{}).fenced.empty());
  EXPECT_TRUE(ticks(milliseconds{1900}).fenced.empty());
  EXPECT_EQ(ticks(milliseconds{200}).fenced, brokers({0, 1, 2})) << "now they had their session";
}

TEST_F(HeartbeatTest, fencing_goes_on_over_ticks_and_no_fenced_broker_ever_leads) {
  for (const char* topic : {"a", "b", "c"}) {
    ASSERT_TRUE(cluster.create({.name = topic, .partitions = 9'000, .replication_factor = 2}));
  }
  const int held = cluster.state.index.counts(BrokerId{0}).replicas;
  ASSERT_EQ(held, 18'000);
  cluster.pass(milliseconds{2100});
  cluster.beat(1);
  cluster.beat(2);
  const TickReply first = cluster(Tick{});
  EXPECT_TRUE(first.more);
  EXPECT_TRUE(first.fenced.empty());
  EXPECT_EQ(first.partitions_changed, kPartitionsPerCommandMax);
  EXPECT_FALSE(fenced(0)) << "it still leads some";
  const TickReply second = cluster(Tick{});
  EXPECT_EQ(second.fenced, brokers({0}));
  EXPECT_EQ(second.partitions_changed, held - kPartitionsPerCommandMax);
  EXPECT_EQ(cluster.state.index.counts(BrokerId{0}).leaders, 0);
}

TEST_F(HeartbeatTest, what_waits_for_a_returning_broker_beyond_one_command_gets_its_leader_from_ticks) {
  for (const char* topic : {"a", "b"}) {
    NewTopic made{.name = topic, .assignments = {}};
    for (int32_t i = 0; i < 6'000; ++i) made.assignments.push_back({PartitionIndex{i}, brokers({0})});
    ASSERT_TRUE(cluster.create(std::move(made)));
  }
  cluster.pass(milliseconds{2100});
  while (cluster(Tick{}).more) {
  }
  EXPECT_EQ(cluster.state.index.leaderless().size(), 12'000u);
  EXPECT_FALSE(cluster.beat(0).is_fenced);
  EXPECT_EQ(cluster.state.index.leaderless().size(), 2'000u);
  EXPECT_EQ(cluster(Tick{}).partitions_changed, 2'000);
  EXPECT_EQ(cluster(Tick{}).partitions_changed, 0);
}

TEST_F(HeartbeatTest, a_large_registration_after_a_crash_is_asked_for_again_until_it_is_done) {
  for (const char* topic : {"a", "b"}) {
    ASSERT_TRUE(cluster.create({.name = topic, .partitions = 9'000, .replication_factor = 2}));
  }
  RegisterBroker again = cluster.registration(0);
  again.fenced = true;
  EXPECT_EQ(TestCluster::code(cluster(again)), Errc::overloaded);
  EXPECT_FALSE(fenced(0)) << "the former process until then";
  ASSERT_TRUE(cluster(again));
  EXPECT_TRUE(fenced(0));
  EXPECT_EQ(cluster.state.index.counts(BrokerId{0}).leaders, 0);
}

TEST_F(HeartbeatTest, an_unclean_election_happens_when_the_topic_allows_it_later) {
  cluster.place("t", {{0, 1}});
  ticks(milliseconds{2100}, {1, 2});
  ASSERT_EQ(cluster.partition("t").isr, brokers({1}));
  ticks(milliseconds{2100}, {0, 2});
  EXPECT_EQ(cluster.partition("t").leader, kNoBroker);
  (void)cluster(AlterConfigs{.resources = {{{2, "t"}, {{"unclean.leader.election.enable", 0, "true"}}}}});
  ticks(milliseconds{100}, {0, 2});
  EXPECT_EQ(cluster.partition("t").leader, BrokerId{0});
  EXPECT_EQ(cluster.partition("t").isr, brokers({0}));
}

// ---- controlled shutdown
TEST_F(HeartbeatTest, a_shutdown_hands_over_first_and_ends_when_all_others_know) {
  cluster.place("t", {{0, 1, 2}, {1, 0}, {0, 2}});
  EXPECT_FALSE(cluster.beat(0, true).should_shut_down);
  EXPECT_TRUE(cluster.image().find_broker(BrokerId{0})->in_controlled_shutdown);
  EXPECT_EQ(cluster.partition("t", 0).leader, BrokerId{1});
  EXPECT_EQ(cluster.partition("t", 1).isr, brokers({1}));
  EXPECT_EQ(cluster.partition("t", 2).leader, BrokerId{2});
  EXPECT_FALSE(cluster.beat(0, true).should_shut_down) << "1 and 2 do not know yet";
  cluster.beat(1);
  EXPECT_FALSE(cluster.beat(0, true).should_shut_down);
  cluster.beat(2);
  const BrokerHeartbeatReply last = cluster.beat(0, true);
  EXPECT_TRUE(last.should_shut_down);
  EXPECT_TRUE(last.is_fenced);
  EXPECT_EQ(last.left_without_leader, 0);
  EXPECT_TRUE(cluster.beat(0, true).should_shut_down) << "asked again";
  EXPECT_EQ(cluster.set_isr("t", {1, 0}, 1).error().code, Errc::ineligible_replica);
}

TEST_F(HeartbeatTest, partitions_without_another_candidate_are_led_to_the_end_and_reported) {
  cluster.place("t", {{0}, {0, 1}, {0}});
  EXPECT_FALSE(cluster.beat(0, true).should_shut_down);
  EXPECT_EQ(cluster.partition("t", 0).leader, BrokerId{0});
  cluster.beat(1);
  cluster.beat(2);
  const BrokerHeartbeatReply last = cluster.beat(0, true);
  EXPECT_TRUE(last.should_shut_down);
  EXPECT_EQ(last.left_without_leader, 2);
  EXPECT_EQ(last.without_leader, (std::vector<PartitionName>{{"t", PartitionIndex{0}}, {"t", PartitionIndex{2}}}));
  EXPECT_EQ(cluster.partition("t", 0).leader, kNoBroker);
  cluster.start(0);
  cluster.beat(0);
  EXPECT_EQ(cluster.partition("t", 0).leader, BrokerId{0});
}

TEST_F(HeartbeatTest, a_follower_that_comes_into_sync_with_one_that_shuts_down_takes_over) {
  cluster.place("t", {{0, 1}});
  ASSERT_TRUE(cluster.set_isr("t", {0}));
  cluster.beat(0, true);
  EXPECT_EQ(cluster.partition("t").leader, BrokerId{0});
  EXPECT_EQ(cluster.set_isr("t", {0, 1}).error().code, Errc::new_leader_elected);
  EXPECT_EQ(cluster.partition("t").leader, BrokerId{1});
  EXPECT_EQ(cluster.partition("t").isr, brokers({1}));
}

TEST_F(HeartbeatTest, a_shutdown_of_many_partitions_goes_in_steps) {
  for (const char* topic : {"a", "b"}) {
    ASSERT_TRUE(cluster.create({.name = topic, .partitions = 9'000, .replication_factor = 2}));
  }
  const int led = cluster.state.index.counts(BrokerId{0}).leaders;
  ASSERT_EQ(led, 6'000);
  cluster.beat(0, true);
  EXPECT_EQ(cluster.state.index.counts(BrokerId{0}).leaders, 0) << "what it leads goes first";
  EXPECT_EQ(cluster.records_made, static_cast<size_t>(kPartitionsPerCommandMax) + 1);
  cluster.beat(0, true);
  EXPECT_EQ(cluster.records_made, 2'000u);
}

// ---- preferred leaders
TEST_F(HeartbeatTest, leadership_goes_back_to_preferred_leaders_after_a_while) {
  ASSERT_TRUE(cluster.create({.name = "t", .partitions = 30, .replication_factor = 3}));
  ticks(milliseconds{2100}, {1, 2});
  cluster.beat(0);
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(cluster.set_isr("t", {0, 1, 2}, i));
  EXPECT_EQ(cluster.state.index.counts(BrokerId{0}).leaders, 0);
  ticks(milliseconds{290'000}, {0, 1, 2});
  EXPECT_EQ(cluster.state.index.counts(BrokerId{0}).leaders, 0);
  ticks(milliseconds{10'000}, {0, 1, 2});
  for (int id = 0; id < 3; ++id) EXPECT_EQ(cluster.state.index.counts(BrokerId{id}).leaders, 10);
}

TEST_F(HeartbeatTest, a_small_imbalance_stays_and_so_does_any_when_switched_off) {
  ASSERT_TRUE(cluster.create({.name = "t", .partitions = 30, .replication_factor = 3}));
  cluster.static_config["auto.leader.rebalance.enable"] = "false";
  cluster.fence(0);
  cluster.fence(0, false);
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(cluster.set_isr("t", {0, 1, 2}, i));
  ticks(milliseconds{301'000}, {0, 1, 2});
  EXPECT_EQ(cluster.state.index.counts(BrokerId{0}).leaders, 0) << "switched off";
  // All but one back by hand: a tenth of what 0 should lead is not more than 10 percent.
  std::vector<PartitionName> some;
  for (int i = 0; i < 30; ++i) {
    if (cluster.partition("t", i).replicas.front() == BrokerId{0}) some.push_back({"t", PartitionIndex{i}});
  }
  some.pop_back();
  (void)cluster(ElectLeaders{.kind = ElectionKind::preferred, .partitions = some});
  cluster.static_config["auto.leader.rebalance.enable"] = "true";
  ticks(milliseconds{301'000}, {0, 1, 2});
  EXPECT_EQ(cluster.state.index.counts(BrokerId{0}).leaders, 9);
}

}  // namespace
}  // namespace millrace::metadata
