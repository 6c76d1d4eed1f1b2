#include <algorithm>
#include <nlohmann/json.hpp>

#include "operator/desired/names.h"
#include "operator/plan/cluster_plan.h"

namespace millrace::plan {

namespace {

using kube::Json;

Json brokers(const ClusterObserved& observed) {
  Json result = Json::array();
  for (const PodFacts& pod : observed.pods) {
    Json row{{"id", pod.ordinal}, {"pod", pod.name}, {"ready", pod.is_ready}};
    const auto known = std::find_if(observed.kafka.brokers.begin(), observed.kafka.brokers.end(),
                                    [&](const BrokerFacts& broker) { return broker.id == pod.ordinal; });
    if (known != observed.kafka.brokers.end() && !known->rack.empty()) row["rack"] = known->rack;
    result.push_back(std::move(row));
  }
  return result;
}

Json rollout(const ClusterObserved& observed, const Plan& plan, const std::string& hash) {
  int done = 0;
  Json current = nullptr;
  for (const PodFacts& pod : observed.pods) {
    if (pod.template_hash == hash && pod.is_ready) ++done;
    if (pod.is_deleting) current = pod.name;
  }
  Json blocked = Json::array();
  for (const Block& block : plan.blocked_by) {
    blocked.push_back({{"rule", block.rule}, {"object", block.object}, {"message", block.message}});
  }
  return {{"revision", hash},
          {"done", done},
          {"total", observed.pods.size()},
          {"current", std::move(current)},
          {"blockedBy", std::move(blocked)}};
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
  const int64_t ready = std::count_if(observed.pods.begin(), observed.pods.end(),
                                      [](const PodFacts& pod) { return pod.is_ready && !pod.is_deleting; });
  Json listeners = Json::array();
  for (const api::ListenerSpec& listener : cluster.listeners) {
    const std::string address = bootstrap_of(cluster, listener, observed.pods);
    if (!address.empty()) listeners.push_back({{"name", listener.name}, {"bootstrapServers", address}});
  }
  std::string labels;
  for (const auto& [name, value] : desired::selector(cluster.name))
    labels += (labels.empty() ? "" : ",") + name + "=" + value;
  Json status{{"replicas", observed.pods.size()}, {"readyReplicas", ready}, {"selector", labels},
              {"version", defaults.version},      {"listeners", listeners}, {"brokers", brokers(observed)}};
  if (!observed.kafka.cluster_id.empty()) status["clusterId"] = observed.kafka.cluster_id;
  status["rollout"] = rollout(observed, plan, desired::template_hash_of(desired::stateful_set(cluster, defaults)));
  return status;
}

}  // namespace millrace::plan
