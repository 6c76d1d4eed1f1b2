#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "operator/api/kafka_cluster.h"
#include "operator/kube/object.h"

namespace millrace::desired {

// What the operator brings to every cluster it makes objects for.
struct Defaults {
  std::string image = "millrace:dev";
  std::string version;
  bool is_local = false;  // pods are processes of this machine: much of a specification has no effect there
};

// All objects that a KafkaCluster should own, in the order they are applied. Pure: the same cluster gives the same
// objects. Names, labels and ports are those of names.h. `cluster_id` is the Kafka cluster's, for its life.
std::vector<kube::Object> objects_of(const api::KafkaCluster& cluster, const Defaults& defaults,
                                     const std::string& cluster_id);

// One kind each, in files of their own.
kube::Object config_map(const api::KafkaCluster& cluster, const std::string& cluster_id);
kube::Object headless_service(const api::KafkaCluster& cluster);
kube::Object bootstrap_service(const api::KafkaCluster& cluster);
kube::Object pod_disruption_budget(const api::KafkaCluster& cluster);
kube::Object stateful_set(const api::KafkaCluster& cluster, const Defaults& defaults, const std::string& cluster_id);

// The configuration file of all brokers: Kafka's property names, one a line, ascending. With several brokers, topics
// have several replicas unless the specification says otherwise.
std::string broker_yaml(const api::KafkaCluster& cluster, const std::string& cluster_id);
// Whether a property is the operator's to set: a user's value for it is refused.
bool is_reserved_property(std::string_view name);
// The hash of a set's pod template, "" when it has none; what kTemplateHash of its pods is compared with.
std::string template_hash_of(const kube::Object& stateful_set);

}  // namespace millrace::desired
