// Which broker to restart next, and what keeps the others waiting.

#include <algorithm>

#include "operator/desired/names.h"
#include "operator/plan/cluster_plan.h"

namespace millrace::plan {

namespace {

const PodFacts* next_outdated(const std::string& wanted_hash, const std::vector<PodFacts>& pods) {
  const PodFacts* chosen = nullptr;
  for (const PodFacts& pod : pods) {
    if (pod.template_hash == wanted_hash || pod.is_deleting) continue;
    if (chosen == nullptr || (chosen->is_ready && !pod.is_ready)) chosen = &pod;
  }
  return chosen;
}

// A pod that is not ready serves nobody: to restart it takes nothing away, and what it was not ready for may be what
// was changed. It waits only for the one that goes by our hand.
// One that went by our hand may not be there again yet.
void wait_for_pods(const api::KafkaCluster& cluster, const PodFacts& chosen, const std::vector<PodFacts>& pods,
                   Plan& plan) {
  const auto wait_for = [&](const std::string& pod) {
    plan.blocked_by.push_back(
        {"OneAtATime", "pod " + pod, "pod " + chosen.name + " waits for its restart until pod " + pod + " is ready"});
  };
  for (const PodFacts& pod : pods) {
    if (&pod != &chosen && (pod.is_deleting || (chosen.is_ready && !pod.is_ready))) wait_for(pod.name);
  }
  for (int32_t ordinal = 0; ordinal < cluster.replicas; ++ordinal) {
    const bool is_there =
        std::any_of(pods.begin(), pods.end(), [&](const PodFacts& pod) { return pod.ordinal == ordinal; });
    if (!is_there) wait_for(desired::pod_name(cluster.name, ordinal));
  }
}

// A broker that is ready has its place in the cluster back, and not yet all that was written while it was away.
void wait_for_replicas(const PodFacts& chosen, const ClusterObserved& observed, Plan& plan) {
  if (!chosen.is_ready || observed.pods.size() < 2) return;
  const std::string waits = "pod " + chosen.name + " waits for its restart: ";
  if (!observed.kafka.is_reachable) {
    plan.blocked_by.push_back({"InSync", "pod " + chosen.name,
                               waits + "nobody says whether the brokers are in sync: " + observed.kafka.error});
    return;
  }
  for (const PodFacts& pod : observed.pods) {
    const auto broker = std::find_if(observed.kafka.brokers.begin(), observed.kafka.brokers.end(),
                                     [&](const BrokerFacts& one) { return one.id == pod.ordinal; });
    const std::string name = "broker " + std::to_string(pod.ordinal);
    if (broker == observed.kafka.brokers.end()) {
      plan.blocked_by.push_back({"InSync", name, waits + name + " is not part of the cluster now"});
    } else if (broker->out_of_sync > 0) {
      plan.blocked_by.push_back({"InSync", name,
                                 waits + std::to_string(broker->out_of_sync) + " of the " +
                                     std::to_string(broker->partitions) + " replicas on " + name + " are not in sync"});
    }
  }
}

}  // namespace

void plan_restart(const api::KafkaCluster& cluster, const std::string& wanted_hash, const ClusterObserved& observed,
                  Plan& plan) {
  const PodFacts* const chosen = next_outdated(wanted_hash, observed.pods);
  if (chosen == nullptr) return;
  wait_for_pods(cluster, *chosen, observed.pods, plan);
  if (plan.blocked_by.empty()) wait_for_replicas(*chosen, observed, plan);
  if (!plan.blocked_by.empty()) return;
  plan.steps.push_back(RestartPod{chosen->name, chosen->uid});
  plan.notes.push_back({false, "RestartingPod", "pod " + chosen->name + ": its template or configuration has changed"});
}

}  // namespace millrace::plan
