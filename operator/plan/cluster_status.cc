#include <algorithm>
#include <nlohmann/json.hpp>

#include "operator/api/kafka_cluster_status.h"
#include "operator/desired/names.h"
#include "operator/plan/cluster_plan.h"

namespace millrace::plan {

namespace {

using kube::Json;

std::vector<api::BrokerStatus> brokers(const ClusterObserved& observed) {
  std::vector<api::BrokerStatus> result;
  for (const PodFacts& pod : observed.pods) {
    api::BrokerStatus row{.id = pod.ordinal, .pod = pod.name, .ready = pod.is_ready};
    const auto known = std::find_if(observed.kafka.brokers.begin(), observed.kafka.brokers.end(),
                                    [&](const BrokerFacts& broker) { return broker.id == pod.ordinal; });
    if (known != observed.kafka.brokers.end()) {
      row.leaders = known->leaders;
      row.partitions = known->partitions;
      if (!known->rack.empty()) row.rack = known->rack;
    }
    result.push_back(std::move(row));
  }
  return result;
}

api::RolloutStatus rollout(const ClusterObserved& observed, const Plan& plan, const std::string& hash) {
  api::RolloutStatus result{.revision = hash, .total = static_cast<int32_t>(observed.pods.size())};
  for (const PodFacts& pod : observed.pods) {
    if (pod.template_hash == hash && pod.is_ready) ++result.done;
    if (pod.is_deleting) result.current = pod.name;
  }
  for (const Block& block : plan.blocked_by) {
    result.blocked_by.push_back({.rule = block.rule, .object = block.object, .message = block.message});
  }
  return result;
}

}  // namespace

std::string bootstrap_of(const api::KafkaCluster& cluster, const api::ListenerSpec& listener,
                         const std::vector<PodFacts>& pods) {
  std::string local;
  for (const PodFacts& pod : pods) {
    const auto port = pod.local_ports.find(listener.name);
    if (port != pod.local_ports.end())
      local += (local.empty() ? "" : ",") + ("127.0.0.1:" + std::to_string(port->second));
  }
  if (!local.empty() || pods.empty()) return local;
  return desired::bootstrap_service_name(cluster.name) + "." + cluster.name_space +
         ".svc:" + std::to_string(listener.port);
}

Json cluster_status(const api::KafkaCluster& cluster, const ClusterObserved& observed, const Plan& plan,
                    const desired::Defaults& defaults) {
  api::KafkaClusterStatus status{.replicas = static_cast<int32_t>(observed.pods.size()), .version = defaults.version};
  status.ready_replicas =
      static_cast<int32_t>(std::count_if(observed.pods.begin(), observed.pods.end(),
                                         [](const PodFacts& pod) { return pod.is_ready && !pod.is_deleting; }));
  for (const auto& [name, value] : desired::selector(cluster.name)) {
    status.selector.append(status.selector.empty() ? "" : ",").append(name).append("=").append(value);
  }
  if (!observed.kafka.cluster_id.empty()) status.cluster_id = observed.kafka.cluster_id;
  for (const api::ListenerSpec& listener : cluster.listeners) {
    std::string address = bootstrap_of(cluster, listener, observed.pods);
    if (!address.empty()) status.listeners.push_back({listener.name, std::move(address)});
  }
  status.brokers = brokers(observed);
  const kube::Object set =
      desired::stateful_set(followed(cluster, observed), defaults, cluster_id_of(cluster, observed));
  status.rollout = rollout(observed, plan, desired::template_hash_of(set));
  return api::to_json(status);
}

}  // namespace millrace::plan
