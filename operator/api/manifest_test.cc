#include "operator/api/manifest.h"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include "operator/api/kafka_cluster.h"
#include "operator/api/kafka_topic.h"
#include "operator/api/schema.h"
#include "operator/api/yaml_json.h"

namespace millrace::api {
namespace {

const std::string kTopic = R"(apiVersion: millrace.dev/v1alpha1
kind: KafkaTopic
metadata: {name: invoices}
spec:
  clusterRef: {name: local}
  partitions: 2
  replicas: 1
)";

std::string refusal(const std::string& text) {
  const Result<std::vector<Manifest>> read = read_manifests("m.yaml", text);
  if (!read) return read.error().context;
  const Status together = check_manifests_together(*read);
  return together ? "" : together.error().context;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

TEST(Manifests, good_ones_are_typed_and_defaulted) {
  const auto read = read_manifests("m.yaml", kTopic);
  ASSERT_TRUE(read.has_value()) << read.error().context;
  const auto topic = KafkaTopic::from(read->front().object);
  ASSERT_TRUE(topic.has_value()) << topic.error().context;
  EXPECT_EQ(topic->topic, "invoices");
  EXPECT_EQ(topic->name_space, "default");
  EXPECT_EQ(topic->partitions, 2);
  EXPECT_EQ(topic->deletion_policy, DeletionPolicy::remove);
}

TEST(Manifests, refusals_name_field_file_and_line) {
  const struct {
    const char* what;
    std::string text;
    std::vector<std::string> words;
  } cases[] = {
      {"unknown field", kTopic + "  partitons: 3\n", {"m.yaml:8:", "partitons", "did you mean partitions?"}},
      {"wrong type",
       replaced(kTopic, "partitions: 2", "partitions: many"),
       {"m.yaml:6:", "spec.partitions", "integer"}},
      {"quoted number", replaced(kTopic, "partitions: 2", "partitions: '2'"), {"m.yaml:6:", "spec.partitions"}},
      {"missing name", replaced(kTopic, "{name: invoices}", "{}"), {"m.yaml:3:", "metadata.name", "is missing"}},
      {"bad name", replaced(kTopic, "name: invoices", "name: In_voices"), {"m.yaml:3:", "metadata.name"}},
      {"missing cluster", replaced(kTopic, "  clusterRef: {name: local}\n", ""), {"m.yaml:4:", "spec.clusterRef"}},
      {"too few", replaced(kTopic, "partitions: 2", "partitions: 0"), {"m.yaml:6:", "at least 1"}},
      {"too many", replaced(kTopic, "partitions: 2", "partitions: 99999999999"), {"m.yaml:6:", "at most 100000"}},
      {"bad choice", kTopic + "  deletionPolicy: Keep\n", {"m.yaml:8:", "Delete, Retain"}},
      {"unknown kind", replaced(kTopic, "KafkaTopic", "KafkaTopik"), {"m.yaml:2:", "KafkaTopik"}},
      {"not ours", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n", {"m.yaml:2:", "Pod"}},
      {"wrong version", replaced(kTopic, "v1alpha1", "v9"), {"m.yaml:1:", "apiVersion", "v1alpha1"}},
      {"twice", kTopic + "---\n" + kTopic, {"m.yaml:10", "invoices", "twice"}},
      {"two for one topic",
       kTopic + "---\n" + replaced(kTopic, "name: invoices", "name: other") + "  topicName: invoices\n",
       {"m.yaml:10", "invoices", "already"}},
      {"repeated key", kTopic + "  partitions: 3\n", {"m.yaml:8:", "partitions", "twice"}},
      {"not YAML", "kind: [\n", {"m.yaml:"}},
      {"not a map", "- a\n", {"m.yaml:1:"}},
      {"config of maps", kTopic + "  config: {retention.ms: {a: 1}}\n", {"m.yaml:8:", "retention.ms"}},
  };
  for (const auto& one : cases) {
    const std::string said = refusal(one.text);
    for (const std::string& word : one.words) {
      EXPECT_NE(said.find(word), std::string::npos) << one.what << ": \"" << said << "\" lacks " << word;
    }
  }
}

TEST(Manifests, empty_documents_are_left_out) {
  const auto read = read_manifests("m.yaml", "# nothing\n---\n" + kTopic + "---\n");
  ASSERT_TRUE(read.has_value()) << read.error().context;
  EXPECT_EQ(read->size(), 1u);
}

TEST(Cluster, defaults_are_those_of_the_schema) {
  const auto read = read_manifests("c.yaml",
                                   "apiVersion: millrace.dev/v1alpha1\nkind: KafkaCluster\nmetadata: {name: a}\nspec: "
                                   "{config: {log.retention.hours: 72, x: true, y: '7'}}\n");
  ASSERT_TRUE(read.has_value()) << read.error().context;
  const auto cluster = KafkaCluster::from(read->front().object);
  ASSERT_TRUE(cluster.has_value()) << cluster.error().context;
  EXPECT_EQ(cluster->replicas, 1);
  ASSERT_EQ(cluster->listeners.size(), 1u);
  EXPECT_EQ(cluster->listeners[0].port, 9092);
  EXPECT_EQ(cluster->config, (Config{{"log.retention.hours", "72"}, {"x", "true"}, {"y", "7"}}));
}

TEST(Rules, what_may_not_change_is_refused) {
  const auto before = read_manifests("m.yaml", kTopic);
  const auto after = read_manifests("m.yaml", kTopic + "  topicName: other\n");
  ASSERT_TRUE(before.has_value() && after.has_value());
  const Status refused = check_object(after->front().object, &before->front().object);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().context.find("spec.topicName"), std::string::npos);
}

TEST(Yaml, what_is_written_reads_back_the_same) {
  const Json value = Json::parse(R"({"a":[1,2.5,true,null,"true","7","x: y"],"b":{"c":"","d":"two\nlines\n"}})");
  const auto back = read_yaml("x", to_yaml(value));
  ASSERT_TRUE(back.has_value()) << back.error().context;
  EXPECT_EQ(back->front().object.json(), value) << to_yaml(value);
}

}  // namespace
}  // namespace millrace::api
