#include <gtest/gtest.h>

#include "broker/metadata/cluster_test_support.h"

namespace millrace::metadata {
namespace {

struct BrokersTest : testing::Test {
  TestCluster cluster{3};
  void make(std::vector<int> replicas) {
    ENSURE(cluster.create({.name = "t", .assignments = {{PartitionIndex{0}, brokers(replicas)}}}).has_value());
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
  EXPECT_EQ(TestCluster::code(cluster(SetFenced{BrokerId{1}, 999, true})), Errc::invalid_argument);
  cluster.fence(1);
  cluster.fence(1);
  EXPECT_EQ(cluster.records_made, 0u);
}

TEST_F(BrokersTest, an_unregistered_broker_is_gone_and_leads_nothing) {
  make({0, 1});
  EXPECT_TRUE(cluster(UnregisterBroker{BrokerId{0}}));
  EXPECT_EQ(cluster.image().find_broker(BrokerId{0}), nullptr);
  EXPECT_EQ(partition().leader, BrokerId{1});
  EXPECT_EQ(TestCluster::code(cluster(UnregisterBroker{BrokerId{0}})), Errc::broker_not_registered);
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
  EXPECT_TRUE(cluster.run(decide_initialization(cluster.image(), "one")));
  EXPECT_EQ(cluster.image().cluster_id, "one");
  EXPECT_TRUE(cluster.run(decide_initialization(cluster.image(), "one")));
  EXPECT_EQ(cluster.records_made, 0u);
  EXPECT_EQ(TestCluster::code(cluster.run(decide_initialization(cluster.image(), "two"))), Errc::cluster_mismatch);
}

}  // namespace
}  // namespace millrace::metadata
