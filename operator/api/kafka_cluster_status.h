#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "operator/api/condition.h"
#include "operator/kube/object.h"

// status of a KafkaCluster, typed, under the same rule as kafka_cluster.h: the schema has these fields and no other.
// What is optional is left out of the JSON while it is not known.
namespace millrace::api {

struct ListenerStatus {
  std::string name;
  std::string bootstrap_servers;  // "host:port,…"
};
template <class Visitor, SameBut<ListenerStatus> S>
void visit_fields(Visitor& visit, S& listener) {
  auto& [name, bootstrap_servers] = listener;
  visit("name", name), visit("bootstrapServers", bootstrap_servers);
}

struct BrokerStatus {
  int32_t id = 0;
  std::string pod;
  bool ready = false;
  std::optional<int32_t> leaders;     // partitions that it leads
  std::optional<int32_t> partitions;  // replicas that it has
  std::optional<std::string> rack;
};
template <class Visitor, SameBut<BrokerStatus> S>
void visit_fields(Visitor& visit, S& broker) {
  auto& [id, pod, ready, leaders, partitions, rack] = broker;
  visit("id", id), visit("pod", pod), visit("ready", ready);
  visit("leaders", leaders), visit("partitions", partitions), visit("rack", rack);
}

struct BlockStatus {
  std::string rule;
  std::string object;
  std::string message;
  std::optional<std::string> since;
};
template <class Visitor, SameBut<BlockStatus> S>
void visit_fields(Visitor& visit, S& block) {
  auto& [rule, object, message, since] = block;
  visit("rule", rule), visit("object", object), visit("message", message), visit("since", since);
}

struct RolloutStatus {
  std::string revision;
  int32_t done = 0;
  int32_t total = 0;
  std::optional<std::string> current;  // the pod that is restarted now
  std::vector<BlockStatus> blocked_by;
};
template <class Visitor, SameBut<RolloutStatus> S>
void visit_fields(Visitor& visit, S& rollout) {
  auto& [revision, done, total, current, blocked_by] = rollout;
  visit("revision", revision), visit("done", done), visit("total", total), visit("current", current);
  visit("blockedBy", blocked_by);
}

struct KafkaClusterStatus {
  std::optional<int64_t> observed_generation;
  std::vector<Condition> conditions;
  int32_t replicas = 0;
  int32_t ready_replicas = 0;
  std::string selector;
  std::optional<std::string> cluster_id;
  std::string version;
  std::vector<ListenerStatus> listeners;
  std::vector<BrokerStatus> brokers;
  RolloutStatus rollout;
};
template <class Visitor, SameBut<KafkaClusterStatus> S>
void visit_fields(Visitor& visit, S& status) {
  auto& [generation, conditions, replicas, ready, selector, cluster_id, version, listeners, brokers, rollout] = status;
  visit("observedGeneration", generation), visit("conditions", conditions), visit("replicas", replicas);
  visit("readyReplicas", ready), visit("selector", selector), visit("clusterId", cluster_id);
  visit("version", version), visit("listeners", listeners), visit("brokers", brokers), visit("rollout", rollout);
}

kube::Json to_json(const KafkaClusterStatus& status);
kube::Json to_json(const Condition& condition);

}  // namespace millrace::api
