#include "operator/plan/topic_plan.h"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

namespace millrace::plan {
namespace {

using kube::Json;

// A KafkaTopic `payments` with 3 partitions, and what is seen of it; each test changes what it is about.
class TopicPlan : public testing::Test {
 protected:
  TopicPlan() {
    object_ = Json::parse(R"({"apiVersion":"millrace.dev/v1alpha1","kind":"KafkaTopic",
      "metadata":{"name":"payments","namespace":"shop","uid":"u1","finalizers":["millrace.dev/topic"]},
      "spec":{"clusterRef":{"name":"orders"},"partitions":3,"replicas":1},
      "status":{"topicId":"id1"}})");
    seen_.cluster = ClusterState::reachable;
    seen_.brokers = 1;
    seen_.ready_brokers = 1;
    seen_.topic = TopicFacts{.id = "id1", .partitions = 3, .replicas = 1};
  }
  Json& spec() { return object_["spec"]; }
  api::KafkaTopic topic() { return *api::KafkaTopic::from(kube::Object(object_)); }
  void mark_deleted() { object_["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"; }

  // The steps in words, ", "-separated, or the reason Ready is false, or "ready".
  std::string planned() {
    const Plan plan = plan_topic(topic(), seen_);
    std::string words;
    for (const Step& step : plan.steps) words += (words.empty() ? "" : ", ") + to_string(step);
    if (!words.empty() || plan.conditions.empty()) return words;
    return plan.conditions[0].status == ConditionStatus::yes ? "ready" : plan.conditions[0].reason;
  }

  Json object_;
  TopicObserved seen_;
};

TEST_F(TopicPlan, equal_to_its_specification_is_ready_and_needs_nothing) { EXPECT_EQ(planned(), "ready"); }

TEST_F(TopicPlan, a_missing_topic_is_made_after_the_finalizer) {
  seen_.topic.reset();
  object_["metadata"].erase("finalizers");
  EXPECT_EQ(planned(), "add the finalizer, create topic payments");
}

TEST_F(TopicPlan, the_topic_may_have_another_name_than_the_object) {
  seen_.topic.reset();
  spec()["topicName"] = "Pay.Ments";
  EXPECT_EQ(planned(), "create topic Pay.Ments");
}

TEST_F(TopicPlan, is_not_ready_while_a_partition_has_no_leader) {
  seen_.topic->leaderless = 1;
  const Plan plan = plan_topic(topic(), seen_);
  EXPECT_EQ(plan.conditions[0].reason, "PartitionsWithoutLeader");
  EXPECT_EQ(plan.check_again, kCheckSoon);
}

TEST_F(TopicPlan, partitions_grow) {
  spec()["partitions"] = 5;
  EXPECT_EQ(planned(), "grow topic payments to 5 partitions");
}

TEST_F(TopicPlan, partitions_do_not_shrink_and_the_condition_says_why) {
  spec()["partitions"] = 2;
  spec()["config"] = {{"retention.ms", 5}};
  const Plan plan = plan_topic(topic(), seen_);
  EXPECT_TRUE(plan.steps.empty()) << "refused whole";
  EXPECT_EQ(plan.conditions[0].reason, "PartitionsCannotShrink");
  EXPECT_NE(plan.conditions[0].message.find("set it to 3 or more"), std::string::npos);
}

TEST_F(TopicPlan, more_replicas_than_brokers_are_refused_before_kafka_is_asked) {
  seen_.topic.reset();
  spec()["replicas"] = 3;
  const Plan plan = plan_topic(topic(), seen_);
  EXPECT_TRUE(plan.steps.empty());
  EXPECT_EQ(plan.conditions[0].reason, "TooFewBrokers");
  EXPECT_EQ(
      plan.conditions[0].message,
      "spec.replicas is 3 and KafkaCluster orders has 1 broker: each replica needs a broker of its own; set it to "
      "1 or fewer");
}

TEST_F(TopicPlan, a_topic_waits_for_the_brokers_that_its_replicas_need) {
  seen_.topic.reset();
  spec()["replicas"] = 3;
  seen_.brokers = 5;
  seen_.ready_brokers = 2;
  EXPECT_EQ(planned(), "WaitingForBrokers");
  EXPECT_EQ(plan_topic(topic(), seen_).check_again, kCheckSoon);
  seen_.ready_brokers = 3;
  EXPECT_EQ(planned(), "create topic payments") << "not for all of them";
}

TEST_F(TopicPlan, another_number_of_replicas_is_refused) {
  spec()["replicas"] = 2;
  EXPECT_EQ(planned(), "ReplicasCannotChange");
}

TEST_F(TopicPlan, configuration_is_set_removed_and_left_to_others) {
  spec()["config"] = {{"retention.ms", 5}, {"cleanup.policy", "compact"}};
  object_["status"]["configKeys"] = {"segment.ms", "retention.ms"};
  seen_.topic->config = {{"cleanup.policy", "delete"}, {"segment.ms", "9"}, {"others.key", "1"}};
  const Plan plan = plan_topic(topic(), seen_);
  ASSERT_EQ(plan.steps.size(), 1u);
  const auto& changes = std::get<AlterTopicConfig>(plan.steps[0]).changes;
  EXPECT_EQ(changes, (std::map<std::string, std::optional<std::string>>{
                         {"cleanup.policy", "compact"}, {"retention.ms", "5"}, {"segment.ms", std::nullopt}}));
}

TEST_F(TopicPlan, a_key_to_be_removed_is_remembered_until_it_is) {
  object_["status"]["configKeys"] = {"segment.ms"};
  seen_.topic->config = {{"segment.ms", "9"}};
  EXPECT_EQ(topic_status(topic(), seen_)["configKeys"], Json({"segment.ms"}));
  seen_.topic->config.clear();
  EXPECT_FALSE(topic_status(topic(), seen_).contains("configKeys"));
}

TEST_F(TopicPlan, an_existing_topic_of_the_same_shape_is_adopted) {
  object_.erase("status");
  EXPECT_EQ(planned(), "ready");
  EXPECT_EQ(topic_status(topic(), seen_)["topicId"], "id1");
}

TEST_F(TopicPlan, an_existing_topic_of_another_shape_is_left_alone) {
  object_.erase("status");
  seen_.topic->partitions = 2;
  EXPECT_EQ(planned(), "TopicExists");
  EXPECT_FALSE(topic_status(topic(), seen_).contains("topicId"));
}

TEST_F(TopicPlan, the_younger_of_two_objects_for_one_topic_is_refused_and_deletes_nothing) {
  seen_.rival = "older";
  EXPECT_EQ(planned(), "TopicNameTaken");
  mark_deleted();
  EXPECT_EQ(planned(), "drop the finalizer");
}

TEST_F(TopicPlan, waits_for_a_cluster_that_is_not_there_or_does_not_answer) {
  seen_.topic.reset();
  seen_.cluster = ClusterState::absent;
  EXPECT_EQ(planned(), "ClusterNotFound");
  seen_.cluster = ClusterState::unreachable;
  seen_.cluster_trouble = "connection refused";
  EXPECT_EQ(planned(), "WaitingForCluster");
  EXPECT_EQ(plan_topic(topic(), seen_).check_again, kCheckSoon);
}

TEST_F(TopicPlan, deletion_takes_the_topic_then_lets_go) {
  mark_deleted();
  EXPECT_EQ(planned(), "delete topic payments, drop the finalizer");
  seen_.topic.reset();
  EXPECT_EQ(planned(), "drop the finalizer");
}

TEST_F(TopicPlan, deletion_with_policy_retain_keeps_the_topic) {
  spec()["deletionPolicy"] = "Retain";
  mark_deleted();
  EXPECT_EQ(planned(), "drop the finalizer");
}

TEST_F(TopicPlan, deletion_lets_go_when_the_cluster_is_gone_and_waits_while_it_is_silent) {
  mark_deleted();
  seen_.cluster = ClusterState::unreachable;
  EXPECT_EQ(planned(), "WaitingForCluster");
  seen_.cluster = ClusterState::deleting;
  EXPECT_EQ(planned(), "drop the finalizer");
  seen_.cluster = ClusterState::absent;
  EXPECT_EQ(planned(), "drop the finalizer");
}

TEST_F(TopicPlan, deletion_takes_a_topic_that_was_made_a_moment_ago_and_not_yet_recorded) {
  object_.erase("status");
  mark_deleted();
  EXPECT_EQ(planned(), "delete topic payments, drop the finalizer");
  seen_.topic->partitions = 7;  // nothing that could have been made from it
  EXPECT_EQ(planned(), "drop the finalizer");
}

TEST_F(TopicPlan, deletion_spares_a_topic_that_somebody_made_again) {
  mark_deleted();
  seen_.topic->id = "id2";
  EXPECT_EQ(planned(), "drop the finalizer");
}

TEST_F(TopicPlan, carrying_out_a_plan_leads_to_ready_from_any_start) {
  for (const int32_t partitions : {0, 1, 2, 3}) {
    for (const bool finalizer : {false, true}) {
      object_["metadata"]["finalizers"] = finalizer ? Json{"millrace.dev/topic"} : Json::array();
      object_["spec"]["config"] = {{"retention.ms", 5}};
      seen_.topic.reset();
      if (partitions > 0) seen_.topic = TopicFacts{.id = "id1", .partitions = partitions, .replicas = 1};
      int rounds = 0;
      while (planned() != "ready") {
        ASSERT_LT(++rounds, 3) << partitions << finalizer << planned();
        for (const Step& step : plan_topic(topic(), seen_).steps) {
          if (std::holds_alternative<AddFinalizer>(step)) object_["metadata"]["finalizers"] = {"millrace.dev/topic"};
          if (const auto* made = std::get_if<CreateTopic>(&step)) {
            seen_.topic =
                TopicFacts{.id = "id1", .partitions = made->partitions, .replicas = 1, .config = made->config};
          }
          if (const auto* grown = std::get_if<GrowTopic>(&step)) seen_.topic->partitions = grown->partitions;
          if (const auto* altered = std::get_if<AlterTopicConfig>(&step)) {
            for (const auto& [key, value] : altered->changes) seen_.topic->config[key] = *value;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace millrace::plan
