#include "operator/plan/cluster_plan.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "operator/desired/names.h"

namespace millrace::plan {

namespace {

using kube::Json;

bool contains(const Json& present, const Json& wanted) {
  if (wanted.is_object()) {
    if (!present.is_object()) return false;
    return std::all_of(wanted.items().begin(), wanted.items().end(), [&](const auto& member) {
      const auto found = present.find(member.key());
      return found != present.end() && contains(*found, member.value());
    });
  }
  if (wanted.is_array()) {
    if (!present.is_array() || present.size() != wanted.size()) return false;
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (!contains(present[i], wanted[i])) return false;
    }
    return true;
  }
  return present == wanted;
}

std::vector<kube::Object> objects_to_apply(const std::vector<kube::Object>& wanted, const ClusterObserved& observed) {
  std::vector<kube::Object> result;
  for (const kube::Object& object : wanted) {
    const auto present = std::find_if(observed.owned.begin(), observed.owned.end(),
                                      [&](const kube::Object& one) { return one.key() == object.key(); });
    if (present == observed.owned.end() || !is_as_wanted(object, *present)) result.push_back(object);
  }
  return result;
}

int32_t ready_count(const std::vector<PodFacts>& pods) {
  return static_cast<int32_t>(
      std::count_if(pods.begin(), pods.end(), [](const PodFacts& pod) { return pod.is_ready && !pod.is_deleting; }));
}

// Which outdated pod to restart now, if any, and what keeps the others waiting.
void plan_restart(const std::string& wanted_hash, const std::vector<PodFacts>& pods, Plan& plan) {
  const PodFacts* chosen = nullptr;
  for (const PodFacts& pod : pods) {
    if (pod.template_hash == wanted_hash || pod.is_deleting) continue;
    if (chosen == nullptr || (chosen->is_ready && !pod.is_ready)) chosen = &pod;
  }
  if (chosen == nullptr) return;
  for (const PodFacts& pod : pods) {
    if (&pod == chosen || (pod.is_ready && !pod.is_deleting)) continue;
    plan.blocked_by.push_back({"OneAtATime", "pod " + pod.name,
                               "pod " + chosen->name + " waits for its restart until pod " + pod.name + " is ready"});
  }
  if (!plan.blocked_by.empty()) return;
  plan.steps.push_back(RestartPod{chosen->name, chosen->uid});
  plan.notes.push_back({false, "RestartingPod", "pod " + chosen->name + ": its template or configuration has changed"});
}

std::string pods_in_trouble(const std::vector<PodFacts>& pods) {
  std::string result;
  for (const PodFacts& pod : pods) {
    if (pod.is_ready || pod.trouble.empty()) continue;
    result += "; pod " + pod.name + ": " + pod.trouble;
  }
  return result;
}

void warn_of_ignored(const api::KafkaCluster& cluster, const desired::Defaults& defaults, Plan& plan) {
  if (!defaults.is_local) return;
  std::string fields;
  for (const std::string& field : ignored_locally(cluster)) fields += (fields.empty() ? "" : ", ") + field;
  if (fields.empty()) return;
  plan.conditions.push_back({std::string(kWarning), ConditionStatus::yes, "IgnoredLocally",
                             "without effect on the local backend: " + fields});
}

Condition ready_condition(const api::KafkaCluster& cluster, const ClusterObserved& observed) {
  const int32_t ready = ready_count(observed.pods);
  const std::string count = std::to_string(ready) + " of " + std::to_string(cluster.replicas) + " brokers are ready";
  Condition result{std::string(kReady), ConditionStatus::no, "", count + pods_in_trouble(observed.pods)};
  if (ready < cluster.replicas) {
    result.reason = "BrokersNotReady";
  } else if (!observed.kafka.is_reachable) {
    result.reason = "KafkaUnreachable";
    result.message = "the brokers are ready but do not answer Kafka requests: " + observed.kafka.error;
  } else {
    result.status = ConditionStatus::yes;
    result.reason = "AllBrokersReady";
    result.message = count;
  }
  return result;
}

}  // namespace

bool is_as_wanted(const kube::Object& wanted, const kube::Object& present) {
  return contains(present.json(), wanted.json());
}

Plan plan_cluster(const api::KafkaCluster& cluster, const ClusterObserved& observed,
                  const desired::Defaults& defaults) {
  Plan plan{.check_again = kResync};
  if (cluster.is_deleting) return plan;  // what it owns goes with it
  if (const std::vector<std::string> refused = refusals(cluster, defaults); !refused.empty()) {
    std::string message;
    for (const std::string& one : refused) message += (message.empty() ? "" : "; ") + one;
    plan.conditions.push_back({std::string(kReady), ConditionStatus::no, "NotSupported", message});
    plan.blocked_by.push_back({"NotSupported", "KafkaCluster " + cluster.name, message});
    warn_of_ignored(cluster, defaults, plan);
    return plan;
  }
  const std::vector<kube::Object> wanted = desired::objects_of(cluster, defaults);
  for (kube::Object& object : objects_to_apply(wanted, observed)) plan.steps.push_back(ApplyObject{std::move(object)});
  plan_restart(desired::template_hash_of(wanted.back()), observed.pods, plan);

  plan.conditions.push_back(ready_condition(cluster, observed));
  const bool is_ready = plan.conditions.back().status == ConditionStatus::yes;
  if (!is_ready && plan.blocked_by.empty()) {
    for (const PodFacts& pod : observed.pods) {
      if (pod.is_ready) continue;
      plan.blocked_by.push_back(
          {"BrokerReady", "pod " + pod.name, pod.trouble.empty() ? "it is starting" : pod.trouble});
    }
  }
  const bool outdated = std::any_of(observed.pods.begin(), observed.pods.end(), [&](const PodFacts& pod) {
    return pod.template_hash != desired::template_hash_of(wanted.back());
  });
  plan.conditions.push_back({std::string(kProgressing),
                             outdated || !is_ready ? ConditionStatus::yes : ConditionStatus::no,
                             outdated   ? "RollingOut"
                             : is_ready ? "UpToDate"
                                        : "WaitingForBrokers",
                             outdated ? "brokers are restarted with a new template, one at a time" : ""});
  warn_of_ignored(cluster, defaults, plan);
  if (!is_ready || outdated) plan.check_again = kCheckSoon;
  return plan;
}

}  // namespace millrace::plan
