#include "operator/desired/desired.h"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include "operator/api/manifest.h"
#include "operator/desired/metadata.h"
#include "operator/desired/names.h"
#include "operator/desired/quorum.h"

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

Json set_of(const std::string& spec) { return stateful_set(cluster(spec), {}, "id").json(); }

TEST(Desired, names_are_those_that_users_rely_on) {
  std::vector<std::string> names;
  for (const kube::Object& object : objects_of(cluster("{}"), {}, "id")) {
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
  EXPECT_EQ(kept["spec"]["volumeClaimTemplates"][0]["metadata"]["annotations"]["millrace.dev/cluster-id"], "id");
  EXPECT_EQ(kept["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"], "Retain");
  const Json gone = set_of("{storage: {type: persistent-claim, size: 1Gi, deleteClaim: true}}");
  EXPECT_EQ(gone["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"], "Delete");
  const Json ephemeral = set_of("{}");
  EXPECT_FALSE(ephemeral["spec"].contains("volumeClaimTemplates"));
  EXPECT_TRUE(ephemeral["spec"]["template"]["spec"]["volumes"][1].contains("emptyDir"));
}

TEST(Desired, the_template_hash_follows_configuration_and_template_but_not_the_number_of_brokers_beyond_the_voters) {
  const auto hash = [](const std::string& spec) { return template_hash_of(stateful_set(cluster(spec), {}, "id")); };
  const std::string base = hash("{replicas: 3}");
  EXPECT_EQ(base, hash("{replicas: 5}"));
  EXPECT_NE(base, hash("{replicas: 3, config: {log.retention.hours: 1}}"));
  EXPECT_NE(base, hash("{replicas: 3, image: 'other:1'}"));
  EXPECT_NE(base, hash("{replicas: 1}")) << "who begins the quorum differs";
}

TEST(Desired, configuration_goes_into_the_config_map_as_text) {
  const Json map =
      config_map(cluster("{config: {log.retention.hours: 72, auto.create.topics.enable: false}}"), "id").json();
  EXPECT_EQ(map["data"]["broker.yaml"],
            "auto.create.topics.enable: \"false\"\n"
            "controller.quorum.voters: 0@orders-kafka-0.orders-kafka-brokers.shop.svc:9091\n"
            "default.replication.factor: \"1\"\nlistener.security.protocol.map: PLAIN:PLAINTEXT\n"
            "log.retention.hours: \"72\"\nmillrace.cluster.id: id\nmin.insync.replicas: \"1\"\n"
            "offsets.topic.replication.factor: \"1\"\n");
  EXPECT_EQ(map["metadata"]["annotations"]["millrace.dev/cluster-id"], "id");
}

TEST(Desired, the_number_of_brokers_decides_who_votes_and_how_often_records_are_there) {
  const struct {
    int brokers;
    int voters;
    const char* replicas;
    const char* in_sync;
  } cases[] = {{1, 1, "1", "1"}, {2, 1, "2", "1"}, {3, 3, "3", "2"}, {5, 3, "3", "2"}, {100, 3, "3", "2"}};
  for (const auto& one : cases) {
    const auto made = broker_yaml(cluster("{replicas: " + std::to_string(one.brokers) + "}"), "id");
    std::string voters;
    for (int i = 0; i < one.voters; ++i) {
      voters += (i == 0 ? "" : ",") + std::to_string(i) + "@orders-kafka-" + std::to_string(i) +
                ".orders-kafka-brokers.shop.svc:9091";
    }
    const auto has = [&](const std::string& line) {
      EXPECT_NE(made.find(line + "\n"), std::string::npos) << one.brokers << ": no '" << line << "' in\n" << made;
    };
    has("controller.quorum.voters: " + voters);
    has(std::string("default.replication.factor: \"") + one.replicas + "\"");
    has(std::string("offsets.topic.replication.factor: \"") + one.replicas + "\"");
    has(std::string("min.insync.replicas: \"") + one.in_sync + "\"");
  }
  const std::string chosen = broker_yaml(cluster("{replicas: 3, config: {min.insync.replicas: 1}}"), "id");
  EXPECT_NE(chosen.find("min.insync.replicas: \"1\""), std::string::npos) << "the specification goes first";
}

TEST(Desired, a_new_clusters_id_is_its_uid_as_kafka_writes_them) {
  EXPECT_EQ(cluster_id_from("00000000-0000-0000-0000-000000000000"), "AAAAAAAAAAAAAAAAAAAAAA");
  EXPECT_EQ(cluster_id_from("01234567-89ab-cdef-0123-456789abcdef"), "ASNFZ4mrze8BI0VniavN7w");
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
