#include "operator/api/typed.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "operator/api/kafka_cluster_status.h"
#include "operator/api/schema.h"
#include "operator/api/schema_tree.h"

namespace millrace::api {
namespace {

// Compares a struct with the schema of an object, member by member and below, and names what only one of them has.
class Comparison {
 public:
  Comparison(const Json& schema, std::string at, std::vector<std::string>& differences)
      : schema_(schema), at_(std::move(at)), differences_(differences) {}

  template <class Member>
  void operator()(const char* name, const Member& member) {
    seen_.insert(name);
    const std::string below = at_ + "." + name;
    if (!schema_.contains("properties") || !schema_["properties"].contains(name)) {
      differences_.push_back(below + " is in the struct only");
    } else {
      compare(schema_["properties"][name], below, member);
    }
  }

  template <class Struct>
  static void compare_struct(const Json& schema, const std::string& at, const Struct& value,
                             std::vector<std::string>& differences) {
    Comparison comparison(schema, at, differences);
    visit_fields(comparison, value);
    if (!schema.contains("properties")) return differences.push_back(at + " is an object in the struct only");
    for (const auto& [name, below] : schema["properties"].items()) {
      if (!comparison.seen_.contains(name))
        differences.push_back(std::string(at).append(".").append(name).append(" is in the schema only"));
    }
  }

 private:
  void expect(const Json& schema, const std::string& at, const Json& wanted) {
    for (const auto& [word, value] : wanted.items()) {
      if (schema.contains(word) && schema[word] == value) continue;
      differences_.push_back(std::string(at)
                                 .append(" should have ")
                                 .append(word)
                                 .append(" ")
                                 .append(value.dump())
                                 .append(" as the struct does"));
    }
  }
  void compare(const Json& schema, const std::string& at, const bool&) { expect(schema, at, {{"type", "boolean"}}); }
  void compare(const Json& schema, const std::string& at, const std::string&) {
    expect(schema, at, {{"type", "string"}});
  }
  void compare(const Json& schema, const std::string& at, const int32_t&) {
    expect(schema, at, {{"type", "integer"}, {"format", "int32"}});
  }
  void compare(const Json& schema, const std::string& at, const uint16_t&) {
    expect(schema, at, {{"type", "integer"}, {"format", "int32"}, {"minimum", 1024}, {"maximum", 65535}});
  }
  void compare(const Json& schema, const std::string& at, const int64_t&) {
    expect(schema, at, {{"type", "integer"}, {"format", "int64"}});
  }
  void compare(const Json& schema, const std::string& at, const kube::Object&) {
    expect(schema, at, {{"type", "object"}, {"x-kubernetes-preserve-unknown-fields", true}});
  }
  void compare(const Json& schema, const std::string& at, const StorageType&) { words(schema, at, kStorageWords); }
  void compare(const Json& schema, const std::string& at, const DeletionPolicy&) { words(schema, at, kDeletionWords); }
  template <class Words>
  void words(const Json& schema, const std::string& at, const Words& known) {
    expect(schema, at, {{"type", "string"}});
    std::set<std::string> ours(known.begin(), known.end());
    if (ours != schema.value("enum", std::set<std::string>())) differences_.push_back(at + " has other words");
  }
  void compare(const Json& schema, const std::string& at, const std::map<std::string, std::string>&) {
    expect(schema, at, {{"type", "object"}});
    if (!schema.contains("additionalProperties")) differences_.push_back(at + " is a map in the struct only");
  }
  template <class T>
  void compare(const Json& schema, const std::string& at, const std::optional<T>&) {
    compare(schema, at, T());
  }
  template <class T>
  void compare(const Json& schema, const std::string& at, const std::vector<T>&) {
    expect(schema, at, {{"type", "array"}});
    if (schema.contains("items")) compare(schema["items"], at + "[]", T());
  }
  template <class Struct>
  void compare(const Json& schema, const std::string& at, const Struct& value) {
    expect(schema, at, {{"type", "object"}});
    compare_struct(schema, at, value, differences_);
  }

  const Json& schema_;
  const std::string at_;
  std::vector<std::string>& differences_;
  std::set<std::string> seen_;
};

using Words = std::vector<std::string>;

template <class Struct>
Words differences(const std::string& kind, const std::string& part) {
  Words result;
  const Json& schema = (*schema_of(kind))["properties"][part];
  Comparison::compare_struct(schema, part, Struct(), result);
  return result;
}

TEST(Typed, structs_and_schemas_have_the_same_fields_of_the_same_types) {
  EXPECT_EQ(differences<KafkaClusterSpec>("KafkaCluster", "spec"), Words{});
  EXPECT_EQ(differences<KafkaClusterStatus>("KafkaCluster", "status"), Words{});
  EXPECT_EQ(differences<KafkaTopicSpec>("KafkaTopic", "spec"), Words{});
  EXPECT_EQ(differences<KafkaTopicStatus>("KafkaTopic", "status"), Words{});
}

TEST(Typed, a_difference_in_either_direction_is_named) {
  Json schema = (*schema_of("KafkaCluster"))["properties"]["status"];
  Json& broker = schema["properties"]["brokers"]["items"]["properties"];
  broker.erase("leaders");
  broker["height"] = {{"type", "integer"}};
  broker["pod"]["type"] = "boolean";
  Words found;
  Comparison::compare_struct(schema, "status", KafkaClusterStatus(), found);
  EXPECT_EQ(found,
            (Words{"status.brokers[].pod should have type \"string\" as the struct does",
                   "status.brokers[].leaders is in the struct only", "status.brokers[].height is in the schema only"}));
}

TEST(Typed, no_status_takes_what_it_does_not_know) {
  for (const char* kind : {"KafkaCluster", "KafkaTopic"}) {
    const std::string text = (*schema_of(kind))["properties"]["status"].dump();
    EXPECT_EQ(text.find("preserve-unknown"), std::string::npos) << kind;
  }
}

// tests/crds writes the same files to a real API server and reads them back.
Json sample(const std::string& name) {
  std::ifstream file(MILLRACE_SOURCE_DIR "/tests/crds/status/" + name + ".json");
  std::stringstream text;
  text << file.rdbuf();
  return Json::parse(text.str());
}

const Condition kCondition{.type = "Ready",
                           .status = "True",
                           .reason = "AllBrokersReady",
                           .message = "1 of 1 brokers are ready",
                           .last_transition_time = "2026-01-02T03:04:05Z",
                           .observed_generation = 1};

TEST(Typed, a_whole_status_is_written_as_the_sample_that_a_real_api_server_keeps) {
  KafkaClusterStatus cluster{.observed_generation = 1,
                             .conditions = {kCondition},
                             .replicas = 1,
                             .ready_replicas = 1,
                             .selector = "millrace.dev/cluster=orders,millrace.dev/component=broker",
                             .cluster_id = "c1",
                             .version = "0.1.0"};
  cluster.listeners = {{"plain", "orders-kafka-bootstrap.shop.svc:9092"}};
  cluster.brokers = {{.id = 0, .pod = "orders-kafka-0", .ready = true, .leaders = 10, .partitions = 30, .rack = "a"}};
  cluster.rollout = {.revision = "0123456789abcdef", .done = 0, .total = 1, .current = "orders-kafka-0"};
  cluster.rollout.blocked_by = {{"OneAtATime", "pod orders-kafka-0", "it is starting", "2026-01-02T03:04:05Z"}};
  EXPECT_EQ(to_json(cluster), sample("kafkacluster"));

  KafkaTopicStatus topic{.observed_generation = 1,
                         .conditions = {kCondition},
                         .topic_id = "AAAAAAAAQACAAAAAAAAAAQ",
                         .partitions = 12,
                         .replicas = 3,
                         .config_keys = {{"cleanup.policy", "retention.ms"}}};
  topic.conditions[0].status = "False";
  topic.conditions[0].reason = "TooFewBrokers";
  topic.conditions[0].message = "each replica needs a broker";
  EXPECT_EQ(to_json(topic), sample("kafkatopic"));
}

TEST(Typed, what_is_not_known_is_left_out) {
  EXPECT_EQ(to_json(KafkaTopicStatus()), Json({{"conditions", Json::array()}}));
  EXPECT_FALSE(to_json(KafkaClusterStatus())["rollout"].contains("current"));
}

TEST(Typed, a_specification_is_read_with_all_its_fields) {
  const kube::Object object(Json::parse(R"({"apiVersion":"millrace.dev/v1alpha1","kind":"KafkaCluster",
    "metadata":{"name":"orders"},"spec":{"storage":{"type":"persistent-claim","size":"1Gi","class":"fast"},
    "config":{"a":1,"b":true,"c":"x"},"resources":{"requests":{"cpu":2}},"rack":{"topologyKey":"zone"},
    "autoscaling":{"maxReplicas":4},"template":{"pod":{"spec":{"x":1}}}},"status":{"of":"another version"}})"));
  const auto cluster = KafkaCluster::from(object);
  ASSERT_TRUE(cluster.has_value()) << cluster.error().to_string();
  EXPECT_EQ(cluster->storage.type, StorageType::persistent_claim);
  EXPECT_EQ(cluster->storage.storage_class, "fast");
  EXPECT_EQ(cluster->config, (Config{{"a", "1"}, {"b", "true"}, {"c", "x"}}));
  EXPECT_EQ(cluster->resources->requests, (Quantities{{"cpu", "2"}}));
  EXPECT_EQ(cluster->rack->topology_key, "zone");
  EXPECT_EQ(cluster->autoscaling->mode, "Advise");
  EXPECT_EQ(cluster->autoscaling->max_replicas, 4);
  EXPECT_EQ(cluster->merged_over.pod->number_at({"spec", "x"}), 1);
  EXPECT_EQ(cluster->listeners.at(0).port, 9092);
}

}  // namespace
}  // namespace millrace::api
