#include "operator/plan/cluster_plan_test_support.h"

namespace millrace::plan {
namespace {

using ClusterPlan = ClusterPlanTest;

TEST_F(ClusterPlan, equal_to_its_specification_is_ready_and_needs_nothing) {
  EXPECT_EQ(steps(), Words{});
  EXPECT_EQ(ready().status, ConditionStatus::yes);
  EXPECT_EQ(ready().reason, "AllBrokersReady");
}

TEST_F(ClusterPlan, a_new_cluster_gets_all_its_objects_configuration_first) {
  seen_ = {};
  EXPECT_EQ(steps(), (Words{"apply ConfigMap shop/orders-kafka-config", "apply Service shop/orders-kafka-brokers",
                            "apply Service shop/orders-kafka-bootstrap", "apply PodDisruptionBudget shop/orders-kafka",
                            "apply StatefulSet shop/orders-kafka"}));
  EXPECT_EQ(ready().status, ConditionStatus::no);
}

TEST_F(ClusterPlan, what_an_api_server_adds_is_no_difference_and_what_somebody_changed_is) {
  Json service = seen_.owned[1].json();
  service["metadata"]["resourceVersion"] = "7";
  service["spec"]["ports"][0]["nodePort"] = 30000;
  seen_.owned[1] = kube::Object(service);
  EXPECT_EQ(steps(), Words{});
  service["spec"]["ports"][0]["port"] = 1;
  seen_.owned[1] = kube::Object(service);
  EXPECT_EQ(steps(), Words{"apply Service shop/orders-kafka-brokers"});
}

TEST_F(ClusterPlan, a_changed_configuration_is_applied_then_the_broker_restarted) {
  spec()["config"] = {{"log.retention.hours", 1}};
  EXPECT_EQ(steps(), (Words{"apply ConfigMap shop/orders-kafka-config", "apply StatefulSet shop/orders-kafka",
                            "restart pod orders-kafka-0"}));
}

TEST_F(ClusterPlan, at_most_one_pod_restarts_and_the_plan_says_what_the_next_waits_for) {
  have_brokers(3);
  for (PodFacts& one : seen_.pods) one.template_hash = "old";
  EXPECT_EQ(steps(), Words{"restart pod orders-kafka-0"});
  seen_.pods[0] = pod(0);
  seen_.pods[0].is_ready = false;
  EXPECT_EQ(steps(), Words{});
  ASSERT_FALSE(plan().blocked_by.empty());
  EXPECT_EQ(plan().blocked_by[0].rule, "OneAtATime");
  EXPECT_EQ(plan().blocked_by[0].object, "pod orders-kafka-0");
  seen_.pods[0].is_ready = true;
  EXPECT_EQ(steps(), Words{"restart pod orders-kafka-1"});
}

TEST_F(ClusterPlan, an_outdated_pod_that_is_not_ready_goes_first) {
  have_brokers(2);
  for (PodFacts& one : seen_.pods) one.template_hash = "old";
  seen_.pods[1].is_ready = false;
  EXPECT_EQ(steps(), Words{"restart pod orders-kafka-1"});
}

TEST_F(ClusterPlan, brokers_that_never_came_up_take_a_corrected_configuration_without_waiting_for_each_other) {
  have_brokers(3);
  for (PodFacts& one : seen_.pods) {
    one.template_hash = "old";
    one.is_ready = false;
  }
  EXPECT_EQ(steps(), Words{"restart pod orders-kafka-0"});
  seen_.pods[0].is_deleting = true;
  EXPECT_EQ(steps(), Words{});
  seen_.pods[0] = pod(0);
  seen_.pods[0].is_ready = false;
  EXPECT_EQ(steps(), Words{"restart pod orders-kafka-1"});
}

TEST_F(ClusterPlan, more_brokers_than_there_are_are_started) {
  have_brokers(3);
  spec()["replicas"] = 5;
  EXPECT_EQ(steps(), Words{"apply StatefulSet shop/orders-kafka"}) << "nothing of those that run changes";
  EXPECT_EQ(ready().message, "3 of 5 brokers are ready");
}

TEST_F(ClusterPlan, the_cluster_keeps_its_id_for_its_life) {
  EXPECT_EQ(cluster_id_of(cluster(), seen_), "c1") << "the ConfigMap has it";
  seen_.claimed_id = "c2";
  object_["status"] = {{"clusterId", "c3"}};
  EXPECT_EQ(cluster_id_of(cluster(), seen_), "c1");
  seen_.owned.clear();
  EXPECT_EQ(cluster_id_of(cluster(), seen_), "c3") << "what its brokers said";
  object_.erase("status");
  EXPECT_EQ(cluster_id_of(cluster(), seen_), "c2") << "data that is there belongs to it";
  seen_.claimed_id.clear();
  EXPECT_EQ(cluster_id_of(cluster(), seen_).size(), 22u);
}

TEST_F(ClusterPlan, what_cannot_be_done_is_refused_whole_and_says_what_to_change) {
  const struct {
    const char* spec;
    const char* word;
  } cases[] = {{R"({"replicas":101})", "at most 100"},
               {R"({"version":"9"})", "spec.version"},
               {R"({"listeners":[{"name":"a","port":9092,"type":"internal","tls":true}]})", "TLS"},
               {R"({"listeners":[{"name":"a","port":9092,"type":"nodeport"}]})", "nodeport"},
               {R"({"rack":{"topologyKey":"zone"}})", "spec.rack"},
               {R"({"autoscaling":{"mode":"Auto"}})", "spec.autoscaling"},
               {R"({"config":{"node.id":7}})", "node.id"}};
  seen_ = {};
  for (const auto& one : cases) {
    object_["spec"] = Json::parse(one.spec);
    EXPECT_EQ(steps(), Words{}) << one.spec;
    EXPECT_EQ(ready().reason, "NotSupported") << one.spec;
    EXPECT_EQ(ready().status, ConditionStatus::no) << one.spec;
    EXPECT_NE(ready().message.find(one.word), std::string::npos) << ready().message;
  }
}

TEST_F(ClusterPlan, what_has_no_effect_locally_is_named_and_blocks_nothing) {
  defaults_.is_local = true;
  spec() = Json::parse(R"({"image":"other:1","rack":{"topologyKey":"zone"}})");
  seen_.owned = desired::objects_of(cluster(), defaults_, "c1");
  seen_.pods = {pod(0)};
  EXPECT_EQ(ready().reason, "AllBrokersReady");
  const Condition warning = plan().conditions.back();
  EXPECT_EQ(warning.type, kWarning);
  EXPECT_EQ(warning.status, ConditionStatus::yes);
  EXPECT_EQ(warning.reason, "IgnoredLocally");
  EXPECT_EQ(warning.message, "without effect on the local backend: spec.image, spec.rack");
  EXPECT_TRUE(plan().blocked_by.empty());
  spec() = Json::object();
  EXPECT_NE(plan().conditions.back().type, kWarning) << "it goes with its cause";
}

TEST_F(ClusterPlan, not_ready_names_the_pod_and_its_trouble) {
  seen_.pods[0].is_ready = false;
  seen_.pods[0].trouble = "exited with 1";
  EXPECT_EQ(ready().reason, "BrokersNotReady");
  EXPECT_EQ(ready().message, "0 of 1 brokers are ready; pod orders-kafka-0: exited with 1");
  EXPECT_EQ(plan().blocked_by[0].object, "pod orders-kafka-0");
  EXPECT_EQ(plan().check_again, kCheckSoon);
}

TEST_F(ClusterPlan, ready_pods_that_do_not_answer_kafka_are_not_ready) {
  seen_.kafka = {.is_reachable = false, .error = "timed out"};
  EXPECT_EQ(ready().reason, "KafkaUnreachable");
}

TEST_F(ClusterPlan, status_has_the_rows_that_users_read) {
  seen_.pods[0].local_ports = {{"plain", 40001}, {"tcp-prometheus", 40002}};
  const Json status = cluster_status(cluster(), seen_, plan(), defaults_);
  EXPECT_EQ(status["readyReplicas"], 1);
  EXPECT_EQ(status["clusterId"], "c1");
  EXPECT_EQ(status["selector"], "millrace.dev/cluster=orders,millrace.dev/component=broker");
  EXPECT_EQ(status["listeners"][0]["bootstrapServers"], "127.0.0.1:40001");
  EXPECT_EQ(status["brokers"][0],
            Json({{"id", 0}, {"pod", "orders-kafka-0"}, {"ready", true}, {"leaders", 0}, {"partitions", 0}}));
  EXPECT_EQ(status["rollout"]["done"], 1);
  seen_.pods[0].local_ports.clear();
  EXPECT_EQ(cluster_status(cluster(), seen_, plan(), defaults_)["listeners"][0]["bootstrapServers"],
            "orders-kafka-bootstrap.shop.svc:9092");
}

TEST_F(ClusterPlan, the_brokers_rows_say_what_metadata_says_and_nothing_while_it_says_nothing) {
  seen_.kafka.brokers = {{.id = 0, .rack = "a", .leaders = 10, .partitions = 30}};
  EXPECT_EQ(cluster_status(cluster(), seen_, plan(), defaults_)["brokers"], Json::array({{{"id", 0},
                                                                                          {"pod", "orders-kafka-0"},
                                                                                          {"ready", true},
                                                                                          {"leaders", 10},
                                                                                          {"partitions", 30},
                                                                                          {"rack", "a"}}}));
  seen_.kafka = {.is_reachable = false};
  EXPECT_EQ(cluster_status(cluster(), seen_, plan(), defaults_)["brokers"],
            Json::array({{{"id", 0}, {"pod", "orders-kafka-0"}, {"ready", true}}}));
}

TEST_F(ClusterPlan, a_cluster_under_deletion_is_left_to_its_owner_references) {
  object_["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
  seen_ = {};
  EXPECT_EQ(steps(), Words{});
}

}  // namespace
}  // namespace millrace::plan
