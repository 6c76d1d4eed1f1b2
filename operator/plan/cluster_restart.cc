// Which broker to restart next, under which permit, and what keeps the others waiting.

#include <algorithm>

#include "operator/desired/names.h"
#include "operator/plan/cluster_plan.h"

namespace millrace::plan {

namespace {

std::string name_of(int32_t broker) { return "broker " + std::to_string(broker); }

// One that serves nobody goes first; then the one whose permit we have from before; the controller goes last, because
// with it another one has to take over.
int rank_of(const PodFacts& pod, const std::string& holder, const KafkaFacts& kafka) {
  const BrokerFacts* const broker = kafka.find(pod.ordinal);
  if (!pod.is_ready) return 0;
  if (broker != nullptr && broker->permit_holder == holder) return 1;
  return pod.ordinal == kafka.controller ? 3 : 2;
}

const PodFacts* next_outdated(const std::string& wanted_hash, const std::string& holder,
                              const ClusterObserved& observed) {
  const PodFacts* chosen = nullptr;
  for (const PodFacts& pod : observed.pods) {
    if (pod.template_hash == wanted_hash || pod.is_deleting) continue;
    if (chosen == nullptr || rank_of(pod, holder, observed.kafka) < rank_of(*chosen, holder, observed.kafka)) {
      chosen = &pod;
    }
  }
  return chosen;
}

// A pod that is not ready serves nobody: to restart it takes nothing away, and what it was not ready for may be what
// was changed. It waits only for the one that goes by our hand, which may not be there again yet.
void wait_for_pods(const api::KafkaCluster& cluster, const PodFacts& chosen, const ClusterObserved& observed,
                   Plan& plan) {
  const auto wait_for = [&](const std::string& pod) {
    plan.blocked_by.push_back(
        {"OneAtATime", "pod " + pod, "pod " + chosen.name + " waits for its restart until pod " + pod + " is ready"});
  };
  for (const PodFacts& pod : observed.pods) {
    if (&pod != &chosen && (pod.is_deleting || (chosen.is_ready && !pod.is_ready))) wait_for(pod.name);
  }
  for (int32_t ordinal = 0; ordinal < cluster.replicas; ++ordinal) {
    if (observed.find_pod(ordinal) == nullptr) wait_for(desired::pod_name(cluster.name, ordinal));
  }
}

// Why the broker is not what it was before its restart, "" when it is. It may be ready, and lack what was written while
// it was away.
std::string not_back(const BrokerFacts& broker, const PodFacts* pod, const KafkaFacts& kafka) {
  const std::string name = name_of(broker.id);
  if (pod == nullptr || pod->is_deleting || !pod->is_ready) return name + " is not ready yet";
  if (!kafka.no_controller.empty()) return "nobody says whether " + name + " is in sync: " + kafka.no_controller;
  if (broker.is_fenced) return name + " is not part of the cluster yet";
  if (broker.out_of_sync == 0) return "";
  return std::to_string(broker.out_of_sync) + " of the " + std::to_string(broker.partitions) + " replicas on " + name +
         " are not in sync";
}

// Permits that we hold, for other brokers than that of `chosen`: those of brokers that are back end now, the others are
// waited for. Brokers from `staying` on leave under theirs.
void look_at_permits(const std::string& holder, int32_t staying, const PodFacts* chosen,
                     const ClusterObserved& observed, Plan& plan) {
  for (const BrokerFacts& broker : observed.kafka.brokers) {
    if (broker.id >= staying) continue;
    if (broker.permit_holder != holder || (chosen != nullptr && chosen->ordinal == broker.id)) continue;
    const std::string why = not_back(broker, observed.find_pod(broker.id), observed.kafka);
    if (why.empty()) {
      plan.steps.push_back(ReleasePermit{broker.id, holder});
    } else if (chosen != nullptr && chosen->is_ready) {
      plan.blocked_by.push_back(
          {"InSync", name_of(broker.id), "pod " + chosen->name + " waits for its restart: " + why});
    }
    plan.check_again = std::min(plan.check_again, kCheckSoon);
  }
}

// A broker of several that comes back with an empty disk is refused by the others, which know it by its data directory.
void wait_for_storage(const api::KafkaCluster& cluster, const PodFacts& chosen, Plan& plan) {
  if (cluster.storage.type != api::StorageType::ephemeral || cluster.replicas < 2 || !chosen.is_ready) return;
  plan.blocked_by.push_back({"EphemeralStorage", "pod " + chosen.name,
                             "pod " + chosen.name +
                                 " keeps running as it is: with ephemeral storage it would come back empty, and a "
                                 "broker that has lost its disk cannot take its place in a cluster of several; make "
                                 "the cluster anew with storage of type persistent-claim"});
}

}  // namespace

std::string permit_holder(const api::KafkaCluster& cluster) {
  return "the operator of KafkaCluster " + cluster.name_space + "/" + cluster.name;
}

bool ask_to_stop(const PodFacts& pod, const std::string& what_for, const ClusterObserved& observed, Plan& plan) {
  const std::string waits = "pod " + pod.name + " waits for its " + what_for + ": ";
  if (!observed.kafka.is_certain()) {
    plan.blocked_by.push_back(
        {"Permit", "pod " + pod.name, waits + "nobody says whether its broker may stop: " + observed.kafka.trouble()});
    return false;
  }
  const Question question{Question::Kind::may_stop, pod.ordinal};
  if (!observed.answer || observed.answer->question != question) {
    plan.ask = question;
    return false;
  }
  const Answer& answer = *observed.answer;
  if (!answer.error.empty()) plan.blocked_by.push_back({"Permit", "pod " + pod.name, waits + answer.error});
  for (const Refusal& refusal : answer.refusals) {
    const std::string object = refusal.partition.empty() ? name_of(pod.ordinal) : "partition " + refusal.partition;
    plan.blocked_by.push_back({refusal.rule, object, waits + refusal.words, refusal.since_ms});
  }
  return answer.is_granted;
}

void plan_restart(const api::KafkaCluster& cluster, int32_t staying, const std::string& wanted_hash,
                  const ClusterObserved& observed, Plan& plan) {
  const size_t others = plan.blocked_by.size();  // that are no reason to wait here
  const std::string holder = permit_holder(cluster);
  const PodFacts* const chosen = next_outdated(wanted_hash, holder, observed);
  if (chosen != nullptr) wait_for_pods(cluster, *chosen, observed, plan);
  look_at_permits(holder, staying, chosen, observed, plan);
  if (chosen != nullptr && plan.blocked_by.size() == others) wait_for_storage(cluster, *chosen, plan);
  if (chosen == nullptr || plan.blocked_by.size() > others) return;
  if (chosen->is_ready && !ask_to_stop(*chosen, "restart", observed, plan)) return;
  plan.steps.push_back(RestartPod{chosen->name, chosen->uid});
  plan.notes.push_back({false, "RestartingPod", "pod " + chosen->name + ": its template or configuration has changed"});
}

}  // namespace millrace::plan
