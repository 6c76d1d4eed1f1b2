#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "operator/controller/observe.h"
#include "operator/desired/names.h"
#include "operator/plan/cluster_plan.h"

namespace millrace::controller {

namespace {

using kube::Json;

constexpr std::array<std::string_view, 4> kOwnedKinds{"ConfigMap", "Service", "PodDisruptionBudget", "StatefulSet"};
constexpr std::string_view kLocalPorts = "millrace.dev/local-ports";
constexpr std::string_view kLocalPid = "millrace.dev/local-pid";

int64_t number_of(const std::string& text) {
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

bool is_ready(const kube::Object& pod) {
  if (!pod.has({"status", "conditions"})) return false;
  for (const Json& condition : pod.json()["status"]["conditions"]) {
    if (condition.value("type", "") == "Ready") return condition.value("status", "") == "True";
  }
  return false;
}

std::string words(const Json& state, const char* what) {
  if (!state.contains(what)) return "";
  const std::string reason = state[what].value("reason", "");
  const std::string message = state[what].value("message", "");
  return message.empty() ? reason : reason.empty() ? message : reason + ": " + message;
}

std::string trouble_of(const kube::Object& pod, int64_t& restarts) {
  if (!pod.has({"status", "containerStatuses"}) || pod.json()["status"]["containerStatuses"].empty()) {
    return pod.text_at({"status", "message"});
  }
  const Json& container = pod.json()["status"]["containerStatuses"][0];
  restarts = container.value("restartCount", int64_t{0});
  for (const char* when : {"state", "lastState"}) {
    if (!container.contains(when)) continue;
    for (const char* what : {"waiting", "terminated"}) {
      if (std::string said = words(container[when], what); !said.empty()) return said;
    }
  }
  return "";
}

plan::PodFacts facts_of(const kube::Object& pod) {
  plan::PodFacts facts{.name = pod.name(),
                       .uid = pod.uid(),
                       .template_hash = pod.annotation(desired::kTemplateHash),
                       .is_ready = is_ready(pod),
                       .is_deleting = pod.is_deleting(),
                       .local_pid = number_of(pod.annotation(kLocalPid))};
  const std::string index = pod.label(desired::kPodIndexLabel);
  facts.ordinal = static_cast<int32_t>(number_of(index.empty() ? pod.name().substr(pod.name().rfind('-') + 1) : index));
  facts.trouble = trouble_of(pod, facts.restarts);
  const Json ports = Json::parse(pod.annotation(kLocalPorts), nullptr, false);
  if (ports.is_object()) {
    for (const auto& [name, port] : ports.items()) {
      if (port.is_number_integer()) facts.local_ports[name] = port.get<int32_t>();
    }
  }
  return facts;
}

// Claims outlive their cluster. They are asked only until a ConfigMap has the answer.
Result<std::string> claimed_id(kube::Client& kube, const api::KafkaCluster& cluster,
                               const std::vector<kube::Object>& owned) {
  const std::string map = desired::config_map_name(cluster.name);
  for (const kube::Object& one : owned) {
    if (one.kind() == "ConfigMap" && one.name() == map && !one.annotation(desired::kClusterIdAnnotation).empty()) {
      return std::string();
    }
  }
  TRY_ASSIGN(const std::vector<kube::Object> claims,
             kube.list("PersistentVolumeClaim", cluster.name_space, desired::selector(cluster.name)));
  for (const kube::Object& claim : claims) {
    if (std::string id = claim.annotation(desired::kClusterIdAnnotation); !id.empty()) return id;
  }
  return std::string();
}

// Of brokers that the set does not have; only those that go with their broker.
Result<std::vector<plan::ClaimFacts>> spare_claims(kube::Client& kube, const api::KafkaCluster& cluster,
                                                   int32_t replicas) {
  std::vector<plan::ClaimFacts> result;
  const bool has_claims = cluster.storage.type == api::StorageType::persistent_claim;
  if (!has_claims || !cluster.storage.delete_claim) return result;
  TRY_ASSIGN(const std::vector<kube::Object> claims,
             kube.list("PersistentVolumeClaim", cluster.name_space, desired::selector(cluster.name)));
  for (const kube::Object& claim : claims) {
    const std::string name = claim.name();
    const auto ordinal = static_cast<int32_t>(number_of(name.substr(name.rfind('-') + 1)));
    if (ordinal >= replicas && !claim.is_deleting()) result.push_back({name, claim.uid(), ordinal});
  }
  return result;
}

}  // namespace

Result<std::vector<plan::PodFacts>> observe_pods(kube::Client& kube, const std::string& name_space,
                                                 const std::string& cluster) {
  TRY_ASSIGN(const std::vector<kube::Object> pods, kube.list("Pod", name_space, desired::selector(cluster)));
  std::vector<plan::PodFacts> result;
  for (const kube::Object& pod : pods) result.push_back(facts_of(pod));
  std::sort(result.begin(), result.end(),
            [](const plan::PodFacts& a, const plan::PodFacts& b) { return a.ordinal < b.ordinal; });
  return result;
}

Result<admin::Client*> client_of(KafkaClients& clients, const api::KafkaCluster& cluster,
                                 const std::vector<plan::PodFacts>& pods) {
  std::vector<plan::PodFacts> ready;
  std::copy_if(pods.begin(), pods.end(), std::back_inserter(ready),
               [](const plan::PodFacts& pod) { return pod.is_ready; });
  const std::string bootstrap =
      ready.empty() ? std::string() : plan::bootstrap_of(cluster, cluster.listeners.front(), ready);
  if (bootstrap.empty()) return Error{Errc::connection_refused, "no broker is ready yet"};
  return clients.of({"KafkaCluster", cluster.name_space, cluster.name}, bootstrap);
}

Result<plan::ClusterObserved> observe_cluster(kube::Client& kube, KafkaClients& clients,
                                              const api::KafkaCluster& cluster) {
  plan::ClusterObserved result;
  for (const std::string_view kind : kOwnedKinds) {
    TRY_ASSIGN(std::vector<kube::Object> objects, kube.list(kind, cluster.name_space, desired::selector(cluster.name)));
    std::move(objects.begin(), objects.end(), std::back_inserter(result.owned));
  }
  TRY_ASSIGN(result.pods, observe_pods(kube, cluster.name_space, cluster.name));
  TRY_ASSIGN(result.claimed_id, claimed_id(kube, cluster, result.owned));
  TRY_ASSIGN(result.spare_claims, spare_claims(kube, cluster, plan::followed(cluster, result).replicas));
  result.kafka = kafka_facts(clients, cluster, result);
  look_further(clients, cluster, result);
  return result;
}

}  // namespace millrace::controller
