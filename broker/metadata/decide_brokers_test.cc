#include <gtest/gtest.h>

#include "broker/metadata/cluster_test_support.h"

namespace millrace::metadata {
namespace {

struct BrokersTest : testing::Test {
  TestCluster cluster{3};
  void make(std::vector<int> replicas) {
    ENSURE(cluster.create({.name = "t", .assignments = {{PartitionIndex{0}, brokers(replicas)}}}).has_value());
  }
  void make_second() {
    ENSURE(cluster.create({.name = "u", .assignments = {{PartitionIndex{0}, brokers({2, 1})}}}).has_value());
  }
  const PartitionImage& partition() { return *cluster.image().find_partition("t", PartitionIndex{0}); }
};

TEST_F(BrokersTest, a_registration_gets_its_offset_as_epoch_and_serves) {
  const RegisterBroker registration = cluster.registration(9, "r");
  const auto reply = cluster(registration);
  const BrokerImage* broker = cluster.image().find_broker(BrokerId{9});
  ASSERT_NE(broker, nullptr);
  EXPECT_EQ(broker->epoch, reply->epoch);
  EXPECT_EQ(broker->epoch, cluster.image().applied.value());
  EXPECT_FALSE(broker->fenced);
  EXPECT_EQ(broker->rack, "r");
  EXPECT_EQ(broker->endpoint("PLAINTEXT")->host, "host9");
  EXPECT_EQ(broker->endpoint("OTHER"), nullptr);
  EXPECT_EQ(cluster(registration)->epoch, reply->epoch) << "a retry";
  EXPECT_EQ(cluster.records_made, 0u);
}

TEST_F(BrokersTest, a_known_id_with_another_data_directory_and_a_known_directory_under_another_id_are_refused) {
  RegisterBroker foreign = cluster.registration(1);
  foreign.directory_id = cluster.uuid();
  EXPECT_EQ(TestCluster::code(cluster(foreign)), Errc::cluster_mismatch);
  RegisterBroker renamed = cluster.registration(1);
  renamed.id = BrokerId{8};
  EXPECT_EQ(TestCluster::code(cluster(renamed)), Errc::cluster_mismatch);
  RegisterBroker negative = cluster.registration(1);
  negative.id = BrokerId{-1};
  negative.directory_id = cluster.uuid();
  EXPECT_EQ(TestCluster::code(cluster(negative)), Errc::invalid_argument);
}

TEST_F(BrokersTest, a_restart_after_a_crash_renews_the_leader_epochs_and_a_clean_one_does_not) {
  make({1});
  RegisterBroker again = cluster.registration(1);
  again.clean_start = true;
  ASSERT_TRUE(cluster(again));
  EXPECT_EQ(partition().leader_epoch, LeaderEpoch{0});
  ASSERT_TRUE(cluster(cluster.registration(1)));
  EXPECT_EQ(partition().leader_epoch, LeaderEpoch{1});
  EXPECT_EQ(partition().partition_epoch, 1);
  EXPECT_EQ(partition().leader, BrokerId{1});
}

TEST_F(BrokersTest, a_fenced_leader_hands_over_to_the_next_in_sync_replica) {
  make({0, 1, 2});
  cluster.fence(0);
  EXPECT_EQ(partition().leader, BrokerId{1});
  EXPECT_EQ(partition().leader_epoch, LeaderEpoch{1});
  EXPECT_EQ(partition().isr, brokers({1, 2}));
  EXPECT_EQ(partition().replicas, brokers({0, 1, 2}));
  cluster.fence(2);
  EXPECT_EQ(partition().leader, BrokerId{1});
  EXPECT_EQ(partition().leader_epoch, LeaderEpoch{1}) << "the leader stays";
  EXPECT_EQ(partition().isr, brokers({1}));
}

TEST_F(BrokersTest, the_last_in_sync_replica_is_remembered_and_leads_when_it_returns) {
  make({0, 1});
  cluster.fence(1);
  cluster.fence(0);
  EXPECT_EQ(partition().leader, kNoBroker);
  EXPECT_EQ(partition().isr, brokers({0}));
  cluster.fence(1, false);
  EXPECT_EQ(partition().leader, kNoBroker) << "1 was not in sync";
  cluster.fence(0, false);
  EXPECT_EQ(partition().leader, BrokerId{0});
}

TEST_F(BrokersTest, a_fenced_registration_takes_leadership_away_until_it_is_unfenced) {
  make({1});
  RegisterBroker again = cluster.registration(1);
  again.fenced = true;
  ASSERT_TRUE(cluster(again));
  EXPECT_EQ(partition().leader, kNoBroker);
  cluster.fence(1, false);
  EXPECT_EQ(partition().leader, BrokerId{1});
}

TEST_F(BrokersTest, fencing_needs_the_current_epoch_and_a_known_broker) {
  EXPECT_EQ(TestCluster::code(cluster(SetFenced{BrokerId{7}, 0, true})), Errc::broker_not_registered);
  EXPECT_EQ(TestCluster::code(cluster(SetFenced{BrokerId{1}, 999, true})), Errc::stale_broker_epoch);
  cluster.fence(1);
  cluster.fence(1);
  EXPECT_EQ(cluster.records_made, 0u);
}

TEST_F(BrokersTest, a_broker_is_unregistered_when_it_holds_nothing_and_is_no_voter) {
  make({0, 1});
  EXPECT_EQ(TestCluster::words(cluster(UnregisterBroker{BrokerId{0}})),
            "broker 0 holds 1 replicas: decommission it first: policy violation");
  cluster.quorum = {{{BrokerId{2}, false}}};
  EXPECT_EQ(TestCluster::words(cluster(UnregisterBroker{BrokerId{2}})),
            "broker 2 is a member of the metadata quorum: remove it there first: policy violation");
  cluster.quorum = {};
  ASSERT_TRUE(cluster(SetVoters{{{BrokerId{2}, cluster.uuid(), {"host2", 9091}}}}));
  EXPECT_EQ(cluster.image().voters.front().rpc.port, 9091);
  EXPECT_EQ(TestCluster::code(cluster(UnregisterBroker{BrokerId{2}})), Errc::policy_violation);
  ASSERT_TRUE(cluster(SetVoters{}));
  EXPECT_TRUE(cluster(UnregisterBroker{BrokerId{2}}));
  EXPECT_EQ(cluster.image().find_broker(BrokerId{2}), nullptr);
  EXPECT_EQ(TestCluster::code(cluster(UnregisterBroker{BrokerId{2}})), Errc::broker_not_registered);
}

TEST_F(BrokersTest, a_registration_of_a_foreign_cluster_or_a_replaced_process_is_refused) {
  ASSERT_TRUE(cluster.run(decide_initialization(cluster.image(), "ours")));
  RegisterBroker registration = cluster.registration(1);
  registration.cluster_id = "theirs";
  EXPECT_EQ(TestCluster::words(cluster(registration)),
            "the data directory of broker 1 belongs to cluster theirs, not ours: belongs to another cluster or node");
  registration.cluster_id = "ours";
  ASSERT_TRUE(cluster(registration));
  const RegisterBroker newer = cluster.registration(1);
  ASSERT_TRUE(cluster(newer));
  EXPECT_EQ(TestCluster::words(cluster(registration)), "broker 1: another process has replaced this one");
  EXPECT_EQ(cluster.image().find_broker(BrokerId{1})->incarnation, newer.incarnation);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(cluster(cluster.registration(1)));
  EXPECT_EQ(cluster.image().find_broker(BrokerId{1})->former_incarnations.size(), 4u) << "how many are remembered";
}

TEST_F(BrokersTest, a_broker_must_work_at_the_levels_that_the_cluster_does) {
  for (int id = 0; id < 3; ++id) {
    RegisterBroker registration = cluster.registration(id);
    registration.features = {{"f", {1, 3}}};
    ASSERT_TRUE(cluster(registration));
  }
  ASSERT_TRUE(cluster(UpdateFeatures{{{"f", 2}}}).features[0].second);
  RegisterBroker old = cluster.registration(3);
  EXPECT_EQ(TestCluster::words(cluster(old)),
            "broker 3 does not know f, and the cluster works at its level 2: unsupported version");
  old.features = {{"f", {0, 1}}};
  EXPECT_EQ(TestCluster::words(cluster(old)), "broker 3 works at f 0 to 1, and the cluster at 2: unsupported version");
  old.features = {{"f", {3, 4}}};
  EXPECT_EQ(TestCluster::code(cluster(old)), Errc::unsupported_version);
  old.features = {{"f", {2, 2}}};
  EXPECT_TRUE(cluster(old));
}

TEST_F(BrokersTest, a_crashed_member_leaves_the_in_sync_set_that_has_others_and_the_last_one_stays) {
  make({0, 1, 2});
  RegisterBroker crashed = cluster.registration(1);
  crashed.fenced = true;
  ASSERT_TRUE(cluster(crashed));
  EXPECT_EQ(partition().isr, brokers({0, 2}));
  EXPECT_EQ(partition().leader_epoch, LeaderEpoch{0});
  crashed = cluster.registration(0);
  crashed.fenced = true;
  ASSERT_TRUE(cluster(crashed));
  EXPECT_EQ(partition().isr, brokers({2}));
  EXPECT_EQ(partition().leader, BrokerId{2});
  crashed = cluster.registration(2);
  crashed.fenced = true;
  ASSERT_TRUE(cluster(crashed));
  EXPECT_EQ(partition().isr, brokers({2})) << "the last that was known to have everything";
  EXPECT_EQ(partition().leader, kNoBroker);
}

TEST_F(BrokersTest, both_members_of_a_dead_set_count_until_one_of_them_comes_back_from_a_crash) {
  cluster.static_config = {{"min.insync.replicas", "2"}};
  make({0, 1, 2});
  const auto restart = [&](int id, bool clean) {
    RegisterBroker again = cluster.registration(id);
    again.fenced = true;
    again.clean_start = clean;
    ASSERT_TRUE(cluster(again));
  };
  restart(1, true);
  restart(2, true);
  restart(0, true);
  EXPECT_EQ(partition().isr, brokers({0}));
  EXPECT_EQ(partition().elr, brokers({2})) << "left when fewer than two remained";
  restart(2, false);
  EXPECT_TRUE(partition().elr.empty());
  EXPECT_EQ(partition().last_known_elr, brokers({2}));
  restart(0, false);
  EXPECT_EQ(partition().isr, brokers({0}));
  cluster.fence(2, false);
  EXPECT_EQ(partition().leader, kNoBroker) << "2 may lack records";
  cluster.fence(0, false);
  EXPECT_EQ(partition().leader, BrokerId{0});
}

TEST_F(BrokersTest, an_eligible_replica_takes_the_place_of_a_last_one_that_crashed) {
  cluster.static_config = {{"min.insync.replicas", "2"}};
  make({0, 1});
  cluster.fence(1);
  EXPECT_EQ(partition().isr, brokers({0}));
  EXPECT_EQ(partition().elr, brokers({1}));
  RegisterBroker crashed = cluster.registration(0);
  crashed.fenced = true;
  ASSERT_TRUE(cluster(crashed));
  EXPECT_EQ(partition().isr, brokers({1})) << "it has everything committed, 0 may not";
  EXPECT_EQ(partition().last_known_elr, brokers({0}));
  cluster.fence(0, false);
  EXPECT_EQ(partition().leader, kNoBroker);
  cluster.fence(1, false);
  EXPECT_EQ(partition().leader, BrokerId{1});
}

TEST_F(BrokersTest, a_clean_start_counts_only_for_the_registration_it_ended) {
  make({0, 1});
  RegisterBroker again = cluster.registration(0);
  again.fenced = true;
  again.clean_start = true;
  again.previous_epoch = 77;  // a copy of an old data directory
  cluster.static_config = {{"min.insync.replicas", "2"}};
  ASSERT_TRUE(cluster(again));
  EXPECT_TRUE(partition().elr.empty()) << "treated as crashed";
  make_second();
  RegisterBroker clean = cluster.registration(1);
  clean.fenced = true;
  clean.clean_start = true;
  clean.previous_epoch = cluster.image().find_broker(BrokerId{1})->epoch;
  ASSERT_TRUE(cluster(clean));
  EXPECT_EQ(cluster.image().find_partition("u", PartitionIndex{0})->elr, brokers({1}));
}

TEST_F(BrokersTest, producer_ids_are_given_out_in_blocks_that_never_overlap) {
  const auto first = cluster(AllocateProducerIds{BrokerId{0}});
  const auto second = cluster(AllocateProducerIds{BrokerId{1}});
  EXPECT_EQ(first->first, ProducerId{0});
  EXPECT_EQ(first->count, 1000);
  EXPECT_EQ(second->first, ProducerId{1000});
  EXPECT_EQ(TestCluster::code(cluster(AllocateProducerIds{BrokerId{7}})), Errc::broker_not_registered);
  cluster.builder.apply(cluster.image().applied.next(), ProducerIdsRecord{BrokerId{0}, INT64_MAX - 10});
  EXPECT_EQ(TestCluster::code(cluster(AllocateProducerIds{BrokerId{0}})), Errc::overloaded);
}

TEST(Initialization, the_first_start_writes_the_cluster_id_and_another_id_is_refused) {
  TestCluster cluster;
  EXPECT_TRUE(cluster.run(decide_initialization(cluster.image(), "one", {{"f", {.min = 1, .max = 3}}})));
  EXPECT_EQ(cluster.image().features.at("f"), 3);
  EXPECT_EQ(cluster.image().cluster_id, "one");
  EXPECT_TRUE(cluster.run(decide_initialization(cluster.image(), "one")));
  EXPECT_EQ(cluster.records_made, 0u);
  EXPECT_EQ(TestCluster::code(cluster.run(decide_initialization(cluster.image(), "two"))), Errc::cluster_mismatch);
}

}  // namespace
}  // namespace millrace::metadata
