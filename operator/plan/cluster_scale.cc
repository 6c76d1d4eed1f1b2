// Brokers that leave, and those that were to leave and stay.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "operator/desired/names.h"
#include "operator/plan/cluster_plan.h"

namespace millrace::plan {

namespace {

std::string name_of(int32_t broker) { return "broker " + std::to_string(broker); }

bool has_disruptive(const Plan& plan) { return std::any_of(plan.steps.begin(), plan.steps.end(), is_disruptive); }

std::string refusal_of(const api::KafkaCluster& cluster, const WidestTopic& topic) {
  return "spec.replicas is " + std::to_string(cluster.replicas) + " and topic " + topic.name + " has " +
         std::to_string(topic.replicas) +
         " replicas, each of which needs a broker of its own: no broker is taken away; "
         "set spec.replicas to " +
         std::to_string(topic.replicas) + " or more, or reassign the topic to fewer replicas";
}

std::string progress_of(int32_t broker, const DecommissionFacts& facts) {
  std::string words = name_of(broker) + " leaves: " + std::to_string(facts.left) +
                      " partitions have a replica on it, " + std::to_string(facts.moving) + " of them move";
  if (facts.stuck > 0) {
    words += "; no other broker may take " + facts.first_stuck +
             (facts.stuck > 1 ? " and " + std::to_string(facts.stuck - 1) + " others" : "");
  }
  return words;
}

// The set without its last pod; nothing else of it changes.
kube::Object shrunk(const ClusterObserved& observed, const api::KafkaCluster& now, const desired::Defaults& defaults) {
  kube::Json set = desired::stateful_set(now, defaults, cluster_id_of(now, observed)).json();
  set["spec"]["replicas"] = now.replicas - 1;
  return kube::Object(std::move(set));
}

// One of those that leave, from highest to lowest.
class Leaving {
 public:
  Leaving(const api::KafkaCluster& now, const ClusterObserved& observed, const desired::Defaults& defaults, Plan& plan)
      : now_(now), observed_(observed), defaults_(defaults), plan_(plan) {}

  // Nothing moves twice when all that leave stop taking replicas at once.
  void decommission(const BrokerFacts& broker) {
    if (broker.decommission) return;
    plan_.steps.push_back(DecommissionBroker{broker.id});
    plan_.notes.push_back({false, "Decommissioning", name_of(broker.id) + " gives its replicas to others and leaves"});
  }

  // The one whose turn it is.
  void go(int32_t id) {
    plan_.check_again = std::min(plan_.check_again, kCheckMoves);
    const BrokerFacts* const broker = observed_.kafka.find(id);
    if (broker != nullptr && !broker->decommission) return;
    if (broker != nullptr && broker->decommission->left > 0) {
      return block("Decommission", id, progress_of(id, *broker->decommission));
    }
    const std::vector<int32_t>& voters = observed_.kafka.voters;
    if (std::find(voters.begin(), voters.end(), id) != voters.end()) {
      return block("Quorum", id, name_of(id) + " leaves once it does not vote on metadata any more");
    }
    if (id < now_.replicas) return take_pod(id, broker);
    if (observed_.find_pod(id) != nullptr) return block("OneAtATime", id, name_of(id) + " is stopping");
    if (broker == nullptr) return;
    if (!broker->is_fenced) return block("OneAtATime", id, name_of(id) + " was there a moment ago");
    plan_.steps.push_back(UnregisterBroker{id});
    plan_.notes.push_back({false, "BrokerRemoved", name_of(id) + " has left the cluster"});
  }

 private:
  void block(const std::string& rule, int32_t id, const std::string& message) {
    plan_.blocked_by.push_back({rule, name_of(id), message});
  }

  void take_pod(int32_t id, const BrokerFacts* broker) {
    if (plan_.ask || has_disruptive(plan_) || !plan_.blocked_by.empty()) return;
    const std::string holder = permit_holder(now_);
    for (const PodFacts& pod : observed_.pods) {
      const BrokerFacts* const facts = observed_.kafka.find(pod.ordinal);
      const bool is_held = facts != nullptr && facts->permit_holder == holder;
      if (pod.ordinal != id && (pod.is_deleting || is_held)) {
        return block("OneAtATime", pod.ordinal, name_of(id) + " leaves once pod " + pod.name + " is back");
      }
    }
    const PodFacts* const pod = observed_.find_pod(id);
    const bool serves = pod != nullptr && pod->is_ready && broker != nullptr;
    if (serves && !ask_to_stop(*pod, "removal", observed_, plan_)) return;
    plan_.steps.push_back(RemoveBroker{shrunk(observed_, now_, defaults_), id});
    plan_.notes.push_back({false, "RemovingBroker", name_of(id) + ": nothing is left on it"});
  }

  const api::KafkaCluster& now_;
  const ClusterObserved& observed_;
  const desired::Defaults& defaults_;
  Plan& plan_;
};

bool has_to_go(const api::KafkaCluster& cluster, const api::KafkaCluster& now, const ClusterObserved& observed) {
  const auto& brokers = observed.kafka.brokers;
  return cluster.replicas < now.replicas || std::any_of(brokers.begin(), brokers.end(), [&](const BrokerFacts& one) {
           return one.id >= now.replicas || one.decommission;
         });
}

}  // namespace

// Who is to leave is decided only by the controller's word and with all topics seen.
std::optional<int32_t> brokers_wanted(const api::KafkaCluster& cluster, const api::KafkaCluster& now,
                                      const ClusterObserved& observed, Plan& plan) {
  if (!has_to_go(cluster, now, observed)) return cluster.replicas;
  const std::string about = "KafkaCluster " + cluster.name;
  if (!observed.kafka.is_certain() || (cluster.replicas < now.replicas && !observed.widest)) {
    const std::string why = observed.kafka.is_certain() ? "topics were not listed" : observed.kafka.trouble();
    plan.blocked_by.push_back({"ScaleDown", about, "nobody says what is on the brokers that are to leave: " + why});
    return std::nullopt;
  }
  if (cluster.replicas >= now.replicas || observed.widest->replicas <= cluster.replicas) return cluster.replicas;
  const std::string message = refusal_of(cluster, *observed.widest);
  plan.blocked_by.push_back({"ScaleDown", about, message});
  plan.conditions.push_back({std::string(kReady), ConditionStatus::no, "CannotScaleDown", message});
  return now.replicas;
}

void plan_scale(int32_t wanted, const api::KafkaCluster& now, const ClusterObserved& observed,
                const desired::Defaults& defaults, Plan& plan) {
  if (!observed.kafka.is_certain()) return;
  Leaving leaving(now, observed, defaults, plan);
  int32_t highest = now.replicas - 1;
  for (const BrokerFacts& broker : observed.kafka.brokers) {
    highest = std::max(highest, broker.id);
    if (broker.id >= wanted) {
      leaving.decommission(broker);
    } else if (broker.decommission) {
      plan.steps.push_back(CancelDecommission{broker.id});
      plan.notes.push_back({false, "DecommissionCancelled", name_of(broker.id) + " stays"});
    }
  }
  if (highest >= wanted) leaving.go(highest);
  for (const ClaimFacts& claim : observed.spare_claims) {
    if (observed.kafka.find(claim.ordinal) != nullptr || observed.find_pod(claim.ordinal) != nullptr) continue;
    plan.steps.push_back(DeleteClaim{claim.name, claim.uid});
  }
}

}  // namespace millrace::plan
