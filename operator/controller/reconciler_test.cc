#include "operator/controller/reconciler.h"

#include "operator/controller/reconciler_test_support.h"

namespace millrace::controller {
namespace {

TEST_F(ReconcilerTest, a_cluster_and_its_topics_become_ready) {
  apply(cluster() + topic("a") + topic("b", "partitions: 1, config: {retention.ms: 5}"));
  settle();
  EXPECT_EQ(state("KafkaCluster", "orders"), "ready");
  EXPECT_EQ(topic_state("a"), "ready");
  EXPECT_EQ(topic_state("b"), "ready");
  EXPECT_EQ(kafka_.topic("a")->partition_count(), 2);
  EXPECT_EQ(kafka_.config("b"), (admin::TopicConfig{{"retention.ms", "5"}}));
  EXPECT_EQ(store_->get({"KafkaCluster", "default", "orders"})->json()["status"]["listeners"][0]["bootstrapServers"],
            "127.0.0.1:9092");
}

TEST_F(ReconcilerTest, what_is_at_rest_is_not_written_again) {
  apply(cluster() + topic("a"));
  settle();
  const std::string cluster_version = resource_version("KafkaCluster", "orders");
  const std::string topic_version = resource_version("KafkaTopic", "a");
  const std::string set_version = resource_version("StatefulSet", "orders-kafka");
  clock_.advance(std::chrono::hours(1));
  settle();
  EXPECT_EQ(resource_version("KafkaCluster", "orders"), cluster_version);
  EXPECT_EQ(resource_version("KafkaTopic", "a"), topic_version);
  EXPECT_EQ(resource_version("StatefulSet", "orders-kafka"), set_version);
  EXPECT_EQ(kafka_.changes(), std::vector<std::string>{"create_topic a"});
}

TEST_F(ReconcilerTest, topics_grow_change_and_refuse_to_shrink) {
  apply(cluster() + topic("a"));
  settle();
  apply(topic("a", "partitions: 4, config: {retention.ms: 5}"));
  settle();
  EXPECT_EQ(kafka_.topic("a")->partition_count(), 4);
  apply(topic("a", "partitions: 4"));
  settle();
  EXPECT_EQ(kafka_.config("a"), admin::TopicConfig{});
  EXPECT_EQ(topic_state("a"), "ready");
  apply(topic("a", "partitions: 1"));
  settle();
  EXPECT_EQ(topic_state("a"), "PartitionsCannotShrink");
  EXPECT_EQ(kafka_.topic("a")->partition_count(), 4);
}

TEST_F(ReconcilerTest, deleting_a_topic_object_deletes_the_topic_unless_it_is_to_be_retained) {
  apply(cluster() + topic("a") + topic("b", "deletionPolicy: Retain"));
  settle();
  ASSERT_TRUE(store_->remove({"KafkaTopic", "default", "a"}, "").has_value());
  ASSERT_TRUE(store_->remove({"KafkaTopic", "default", "b"}, "").has_value());
  settle();
  EXPECT_EQ(topic_state("a"), "gone");
  EXPECT_EQ(topic_state("b"), "gone");
  EXPECT_FALSE(kafka_.topic("a").has_value());
  EXPECT_TRUE(kafka_.topic("b").has_value());
}

TEST_F(ReconcilerTest, a_topic_object_is_let_go_when_its_cluster_is_gone) {
  apply(cluster() + topic("a"));
  settle();
  ASSERT_TRUE(store_->remove({"KafkaCluster", "default", "orders"}, "").has_value());
  EXPECT_EQ(store_->list("StatefulSet", "", {})->size(), 0u) << "what it owns goes with it";
  ASSERT_TRUE(store_->remove({"KafkaTopic", "default", "a"}, "").has_value());
  settle();
  EXPECT_EQ(topic_state("a"), "gone");
}

TEST_F(ReconcilerTest, a_topic_waits_for_a_cluster_that_comes_later) {
  apply(topic("a"));
  settle();
  EXPECT_EQ(topic_state("a"), "ClusterNotFound");
  apply(cluster());
  settle();
  EXPECT_EQ(topic_state("a"), "ready");
}

TEST_F(ReconcilerTest, a_refusal_by_kafka_becomes_a_condition_with_its_words) {
  apply(cluster());
  settle();
  kafka_.fail_next("create_topic", {Errc::invalid_config, "topic a: no such key"});
  apply(topic("a", "partitions: 1, config: {nonsense: 1}"));
  const auto outcome = reconciler_->reconcile({"KafkaTopic", "default", "a"});
  ASSERT_FALSE(outcome.has_value()) << "it is tried again later";
  EXPECT_EQ(topic_state("a"), "KafkaRefused");
  settle();
  EXPECT_EQ(topic_state("a"), "ready");
}

TEST_F(ReconcilerTest, an_answer_that_was_lost_does_not_make_the_topic_twice) {
  apply(cluster());
  settle();
  kafka_.fail_next("create_topic", {Errc::timed_out, ""}, /*after_effect=*/true);
  apply(topic("a"));
  settle();
  settle();
  EXPECT_EQ(topic_state("a"), "ready");
  EXPECT_EQ(kafka_.changes(), std::vector<std::string>{"create_topic a"});
}

TEST_F(ReconcilerTest, the_older_of_two_objects_for_one_topic_has_it_and_the_other_takes_over) {
  apply(cluster() + topic("first", "topicName: t, deletionPolicy: Retain"));
  clock_.advance(std::chrono::seconds(5));
  apply(topic("second", "topicName: t"));
  settle();
  EXPECT_EQ(topic_state("first"), "ready");
  EXPECT_EQ(topic_state("second"), "TopicNameTaken");
  ASSERT_TRUE(store_->remove({"KafkaTopic", "default", "first"}, "").has_value());
  settle();
  EXPECT_EQ(topic_state("second"), "ready");
}

TEST_F(ReconcilerTest, a_changed_configuration_restarts_the_broker_once) {
  apply(cluster());
  settle();
  const std::string uid = store_->get({"Pod", "default", "orders-kafka-0"})->uid();
  apply(cluster("{config: {log.retention.hours: 1}}"));
  settle();
  EXPECT_NE(store_->get({"Pod", "default", "orders-kafka-0"})->uid(), uid);
  EXPECT_EQ(pods_made_, 2);
  EXPECT_EQ(state("KafkaCluster", "orders"), "ready");
}

class ReconcilerOfThree : public ReconcilerTest {
 protected:
  ReconcilerOfThree() : ReconcilerTest(3) {}
};

TEST_F(ReconcilerOfThree, one_broker_becomes_three_and_its_topics_stay_ready) {
  apply(cluster("{replicas: 1}") + topic("a"));
  settle();
  apply(cluster("{replicas: 3}") + topic("wide", "partitions: 2, replicas: 3"));
  settle();
  EXPECT_EQ(state("KafkaCluster", "orders"), "ready");
  EXPECT_EQ(all("Pod").size(), 3u);
  EXPECT_EQ(pods_made_, 4) << "the first one was restarted once, to learn whom to ask";
  EXPECT_EQ(topic_state("a"), "ready");
  EXPECT_EQ(topic_state("wide"), "ready");
}

TEST_F(ReconcilerOfThree, a_refused_restart_is_in_the_status_in_the_controllers_words_and_goes_on_once_it_may) {
  apply(cluster("{replicas: 3}"));
  settle();
  brokers_.put_topic("strict", 1, 3, /*min_insync=*/3);
  apply(cluster("{replicas: 3, config: {log.retention.hours: 1}}"));
  settle();
  EXPECT_EQ(pods_made_, 3);
  const Json status = store_->get({"KafkaCluster", "default", "orders"})->json()["status"];
  const Json& block = status["rollout"]["blockedBy"].at(0);
  EXPECT_EQ(block["rule"], "MinInsync");
  EXPECT_EQ(block["object"], "partition strict-0");
  EXPECT_EQ(block["since"], "2023-11-14T22:13:20Z");
  EXPECT_NE(block["message"].get<std::string>().find("partition strict-0 needs 3 in-sync replicas"), std::string::npos);
  brokers_.remove_topic("strict");
  settle();
  EXPECT_EQ(pods_made_, 6);
  EXPECT_EQ(state("KafkaCluster", "orders"), "ready");
}

TEST_F(ReconcilerOfThree, a_broker_that_was_to_leave_stays_when_the_number_is_edited_back) {
  apply(cluster("{replicas: 4}"));
  settle();
  brokers_.put_topic("t", 40, 1, 1);
  apply(cluster("{replicas: 3}"));
  const kube::ObjectKey key{"KafkaCluster", "default", "orders"};
  ASSERT_TRUE(reconciler_->reconcile(key)->did_steps);
  ASSERT_TRUE(reconciler_->reconcile(key).has_value());
  const Json status = store_->get(key)->json()["status"];
  EXPECT_EQ(status["conditions"][1]["reason"], "ScalingDown");
  EXPECT_EQ(status["rollout"]["blockedBy"][0]["message"],
            "broker 3 leaves: 10 partitions have a replica on it, 10 of them move");
  apply(cluster("{replicas: 4}"));
  settle();
  EXPECT_EQ(all("Pod").size(), 4u);
  const std::vector<std::string> changes = brokers_.changes();
  EXPECT_EQ(std::count(changes.begin(), changes.end(), "cancel 3"), 1);
  EXPECT_EQ(std::count(changes.begin(), changes.end(), "unregister 3"), 0);
  EXPECT_EQ(state("KafkaCluster", "orders"), "ready");
}

TEST_F(ReconcilerTest, what_cannot_be_done_is_refused_and_what_runs_goes_on) {
  apply(cluster() + topic("a"));
  settle();
  apply(cluster("{version: 9.9.9, replicas: 3}"));
  settle();
  EXPECT_EQ(state("KafkaCluster", "orders"), "NotSupported");
  EXPECT_EQ(store_->get({"StatefulSet", "default", "orders-kafka"})->number_at({"spec", "replicas"}), 1);
  EXPECT_EQ(topic_state("a"), "ready");
}

TEST_F(ReconcilerTest, an_unreachable_cluster_is_said_to_be_so_and_recovers) {
  apply(cluster() + topic("a"));
  settle();
  set_reachable(false);
  settle();
  EXPECT_EQ(state("KafkaCluster", "orders"), "KafkaUnreachable");
  EXPECT_EQ(topic_state("a"), "WaitingForCluster");
  EXPECT_EQ(store_->get({"KafkaTopic", "default", "a"})->number_at({"status", "partitions"}), 2)
      << "the last that was known";
  set_reachable(true);
  settle();
  EXPECT_EQ(topic_state("a"), "ready");
}

TEST_F(ReconcilerTest, decisions_become_events) {
  apply(cluster() + topic("a"));
  settle();
  const auto events = store_->list("Event", "default", {});
  ASSERT_EQ(events->size(), 1u);
  EXPECT_EQ((*events)[0].text_at({"reason"}), "Created");
  EXPECT_EQ((*events)[0].text_at({"message"}), "topic a with 2 partitions and replication factor 1");
}

TEST_F(ReconcilerTest, a_topic_removed_behind_our_back_is_made_again) {
  apply(cluster() + topic("a"));
  settle();
  kafka_.remove_topic("a");
  settle();
  EXPECT_TRUE(kafka_.topic("a").has_value());
  EXPECT_EQ(topic_state("a"), "ready");
}

}  // namespace
}  // namespace millrace::controller
