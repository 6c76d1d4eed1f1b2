#include "operator/desired/desired.h"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include "operator/api/manifest.h"
#include "operator/desired/metadata.h"
#include "operator/desired/names.h"

namespace millrace::desired {
namespace {

api::KafkaCluster cluster(const std::string& spec) {
  const auto read = api::read_manifests("c.yaml",
                                        "apiVersion: millrace.dev/v1alpha1\nkind: KafkaCluster\nmetadata: {name: "
                                        "orders, namespace: shop, uid: u1}\nspec: " +
                                            spec + "\n");
  EXPECT_TRUE(read.has_value()) << read.error().context;
  return *api::KafkaCluster::from(read->front().object);
}

Json set_of(const std::string& spec) { return stateful_set(cluster(spec), {}).json(); }

TEST(Desired, names_are_those_that_users_rely_on) {
  std::vector<std::string> names;
  for (const kube::Object& object : objects_of(cluster("{}"), {})) {
    names.push_back(object.kind() + " " + object.name());
    EXPECT_EQ(object.name_space(), "shop");
    EXPECT_EQ(object.json()["metadata"]["ownerReferences"][0]["uid"], "u1");
    EXPECT_EQ(object.label(kClusterLabel), "orders");
  }
  EXPECT_EQ(names, (std::vector<std::string>{"ConfigMap orders-kafka-config", "Service orders-kafka-brokers",
                                             "Service orders-kafka-bootstrap", "PodDisruptionBudget orders-kafka",
                                             "StatefulSet orders-kafka"}));
}

TEST(Desired, the_set_waits_for_the_operator_to_delete_pods) {
  const Json set = set_of("{replicas: 3}");
  EXPECT_EQ(set["spec"]["replicas"], 3);
  EXPECT_EQ(set["spec"]["updateStrategy"]["type"], "OnDelete");
  EXPECT_EQ(set["spec"]["podManagementPolicy"], "Parallel");
  EXPECT_EQ(set["spec"]["template"]["spec"]["containers"][0]["name"], "kafka");
}

TEST(Desired, every_listener_is_a_port_a_variable_and_an_argument) {
  const Json set =
      set_of("{listeners: [{name: plain, port: 9092, type: internal}, {name: other, port: 9095, type: internal}]}");
  const Json& container = set["spec"]["template"]["spec"]["containers"][0];
  EXPECT_EQ(container["ports"].size(), 4u);
  EXPECT_EQ(container["args"][7],
            "listeners=PLAIN://$(LISTEN_HOST):$(PORT_PLAIN),OTHER://$(LISTEN_HOST):$(PORT_OTHER)");
  EXPECT_EQ(container["ports"][2]["name"], "rpc");
  EXPECT_EQ(container["ports"][2]["containerPort"], 9091);
  EXPECT_EQ(container["ports"][3]["name"], "tcp-prometheus");
  EXPECT_EQ(container["ports"][3]["containerPort"], 9404);
}

TEST(Desired, claims_are_named_data_and_outlive_the_cluster_unless_asked) {
  const Json kept = set_of("{storage: {type: persistent-claim, size: 1Gi}}");
  EXPECT_EQ(kept["spec"]["volumeClaimTemplates"][0]["metadata"]["name"], "data");
  EXPECT_EQ(kept["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"], "Retain");
  const Json gone = set_of("{storage: {type: persistent-claim, size: 1Gi, deleteClaim: true}}");
  EXPECT_EQ(gone["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"], "Delete");
  const Json ephemeral = set_of("{}");
  EXPECT_FALSE(ephemeral["spec"].contains("volumeClaimTemplates"));
  EXPECT_TRUE(ephemeral["spec"]["template"]["spec"]["volumes"][1].contains("emptyDir"));
}

TEST(Desired, the_template_hash_follows_configuration_and_template_but_not_the_number_of_brokers) {
  const std::string base = template_hash_of(stateful_set(cluster("{}"), {}));
  EXPECT_EQ(base, template_hash_of(stateful_set(cluster("{replicas: 5}"), {})));
  EXPECT_NE(base, template_hash_of(stateful_set(cluster("{config: {log.retention.hours: 1}}"), {})));
  EXPECT_NE(base, template_hash_of(stateful_set(cluster("{image: 'other:1'}"), {})));
}

TEST(Desired, configuration_goes_into_the_config_map_as_text) {
  const Json map = config_map(cluster("{config: {log.retention.hours: 72, auto.create.topics.enable: false}}")).json();
  EXPECT_EQ(map["data"]["broker.yaml"],
            "auto.create.topics.enable: \"false\"\nlistener.security.protocol.map: "
            "PLAIN:PLAINTEXT\nlog.retention.hours: \"72\"\n");
}

TEST(Desired, the_users_template_is_merged_by_name) {
  const Json set = set_of(
      "{template: {pod: {metadata: {labels: {team: a}}, spec: {containers: [{name: kafka, env: [{name: X, value: y}]}, "
      "{name: side}]}}}}");
  const Json& pod = set["spec"]["template"];
  EXPECT_EQ(pod["metadata"]["labels"]["team"], "a");
  EXPECT_EQ(pod["metadata"]["labels"][std::string(kClusterLabel)], "orders");
  ASSERT_EQ(pod["spec"]["containers"].size(), 2u);
  EXPECT_EQ(pod["spec"]["containers"][0]["env"].back()["value"], "y");
  EXPECT_EQ(pod["spec"]["containers"][0]["command"][0], "millrace-broker");
}

TEST(Desired, labels_of_other_dashboards_only_on_request) {
  EXPECT_FALSE(set_of("{}")["spec"]["template"]["metadata"]["labels"].contains("strimzi_io_cluster"));
  EXPECT_EQ(set_of("{metrics: {strimziCompatible: true}}")["spec"]["template"]["metadata"]["labels"]["strimzi_io_name"],
            "orders-kafka");
}

}  // namespace
}  // namespace millrace::desired
