#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/result.h"
#include "operator/api/condition.h"
#include "operator/api/kafka_cluster.h"
#include "operator/kube/object.h"

// KafkaTopic as crds/kafkatopics.yaml describes it, typed, under the same rule as kafka_cluster.h.
namespace millrace::api {

enum class DeletionPolicy : uint8_t { remove, retain };

struct ClusterRef {
  std::string name;
};
template <class Visitor, SameBut<ClusterRef> S>
void visit_fields(Visitor& visit, S& reference) {
  auto& [name] = reference;
  visit("name", name);
}

struct KafkaTopicSpec {
  ClusterRef cluster_ref;
  std::optional<std::string> topic_name;
  int32_t partitions = 1;
  int32_t replicas = 1;
  Config config;
  DeletionPolicy deletion_policy = DeletionPolicy::remove;
};
template <class Visitor, SameBut<KafkaTopicSpec> S>
void visit_fields(Visitor& visit, S& spec) {
  auto& [cluster_ref, topic_name, partitions, replicas, config, deletion_policy] = spec;
  visit("clusterRef", cluster_ref), visit("topicName", topic_name), visit("partitions", partitions);
  visit("replicas", replicas), visit("config", config), visit("deletionPolicy", deletion_policy);
}

struct KafkaTopicStatus {
  std::optional<int64_t> observed_generation;
  std::vector<Condition> conditions;
  std::optional<std::string> topic_id;
  std::optional<int32_t> partitions;
  std::optional<int32_t> replicas;
  std::optional<std::vector<std::string>> config_keys;  // that were set from spec.config and not yet removed again
};
template <class Visitor, SameBut<KafkaTopicStatus> S>
void visit_fields(Visitor& visit, S& status) {
  auto& [generation, conditions, topic_id, partitions, replicas, config_keys] = status;
  visit("observedGeneration", generation), visit("conditions", conditions), visit("topicId", topic_id);
  visit("partitions", partitions), visit("replicas", replicas), visit("configKeys", config_keys);
}
kube::Json to_json(const KafkaTopicStatus& status);

struct KafkaTopic : KafkaTopicSpec {
  kube::Object object;
  std::string name_space;
  std::string name;
  std::string uid;
  int64_t generation = 0;
  bool is_deleting = false;
  std::string created;  // RFC 3339; with uid it orders two claims to one topic
  std::string cluster;  // the name of its KafkaCluster
  std::string topic;    // the topic's name in Kafka

  // invalid_argument when it breaks its schema or rules; its status is not looked at.
  static Result<KafkaTopic> from(const kube::Object& object);
};

}  // namespace millrace::api
