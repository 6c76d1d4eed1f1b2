#include "operator/plan/cluster_plan.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "operator/desired/names.h"
#include "operator/desired/quorum.h"

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

const kube::Object* owned(const ClusterObserved& observed, std::string_view kind, const std::string& name) {
  const auto found = std::find_if(observed.owned.begin(), observed.owned.end(),
                                  [&](const kube::Object& one) { return one.kind() == kind && one.name() == name; });
  return found == observed.owned.end() ? nullptr : &*found;
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
    result.message = "the brokers are ready but none of them answers: " + observed.kafka.error;
  } else if (!observed.kafka.is_certain()) {
    result.reason = "NoController";
    result.message = "the brokers have no controller: " + observed.kafka.no_controller;
  } else {
    result.status = ConditionStatus::yes;
    result.reason = "AllBrokersReady";
    result.message = count;
  }
  return result;
}

bool is_outdated(const ClusterObserved& observed, const std::string& hash) {
  return std::any_of(observed.pods.begin(), observed.pods.end(),
                     [&](const PodFacts& pod) { return pod.template_hash != hash; });
}

// Restarts, voters, and brokers that leave, in the order in which they matter. Whether nothing of it is left to do, so
// that replicas may be spread.
bool plan_brokers(const api::KafkaCluster& now, std::optional<int32_t> brokers, const std::string& hash,
                  const ClusterObserved& observed, const desired::Defaults& defaults, Plan& plan) {
  const size_t applied = plan.steps.size();
  // Voters first: with more of them a restart takes less away.
  if (brokers) plan_quorum(*brokers, observed, plan);
  if (plan.steps.size() > applied) return false;
  plan_restart(now, brokers.value_or(0), hash, observed, plan);
  if (brokers) plan_scale(*brokers, now, observed, defaults, plan);
  const bool all_ready = ready_count(observed.pods) == now.replicas;
  return plan.steps.empty() && !plan.ask && plan.blocked_by.empty() && all_ready && brokers == now.replicas &&
         !is_outdated(observed, hash);
}

Condition progressing(bool is_outdated, bool is_leaving, bool is_ready) {
  const std::string type(kProgressing);
  if (is_outdated) {
    return {type, ConditionStatus::yes, "RollingOut", "brokers are restarted with a new template, one at a time"};
  }
  if (is_leaving) {
    return {type, ConditionStatus::yes, "ScalingDown",
            "brokers leave, the highest first, once nothing is left on them"};
  }
  if (is_ready) return {type, ConditionStatus::no, "UpToDate", ""};
  return {type, ConditionStatus::yes, "WaitingForBrokers", ""};
}

}  // namespace

std::string cluster_id_of(const api::KafkaCluster& cluster, const ClusterObserved& observed) {
  const kube::Object* const map = owned(observed, "ConfigMap", desired::config_map_name(cluster.name));
  if (map != nullptr) {
    if (std::string id = map->annotation(desired::kClusterIdAnnotation); !id.empty()) return id;
  }
  if (std::string id = cluster.object.text_at({"status", "clusterId"}); !id.empty()) return id;
  return observed.claimed_id.empty() ? desired::cluster_id_from(cluster.uid) : observed.claimed_id;
}

api::KafkaCluster followed(const api::KafkaCluster& cluster, const ClusterObserved& observed) {
  api::KafkaCluster result = cluster;
  const kube::Object* const set = owned(observed, "StatefulSet", desired::stateful_set_name(cluster.name));
  if (set != nullptr) {
    result.replicas =
        std::max(result.replicas, static_cast<int32_t>(set->number_at({"spec", "replicas"}, result.replicas)));
  }
  return result;
}

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
  const api::KafkaCluster now = followed(cluster, observed);
  const std::vector<kube::Object> wanted = desired::objects_of(now, defaults, cluster_id_of(cluster, observed));
  const std::string hash = desired::template_hash_of(wanted.back());
  for (kube::Object& object : objects_to_apply(wanted, observed)) plan.steps.push_back(ApplyObject{std::move(object)});
  const std::optional<int32_t> brokers = brokers_wanted(cluster, now, observed, plan);
  const bool is_settled = plan_brokers(now, brokers, hash, observed, defaults, plan);
  std::optional<Condition> moves;
  if (is_settled) moves = plan_rebalance(cluster, observed, plan);

  if (plan.conditions.empty()) plan.conditions.push_back(ready_condition(now, observed));
  const bool is_ready = plan.conditions.back().status == ConditionStatus::yes;
  if (!is_ready && plan.blocked_by.empty()) {
    for (const PodFacts& pod : observed.pods) {
      if (pod.is_ready) continue;
      plan.blocked_by.push_back(
          {"BrokerReady", "pod " + pod.name, pod.trouble.empty() ? "it is starting" : pod.trouble});
    }
  }
  const bool is_leaving = brokers && *brokers < now.replicas;
  plan.conditions.push_back(moves ? *moves : progressing(is_outdated(observed, hash), is_leaving, is_ready));
  warn_of_ignored(cluster, defaults, plan);
  if (!is_ready || is_outdated(observed, hash)) plan.check_again = kCheckSoon;
  return plan;
}

}  // namespace millrace::plan
