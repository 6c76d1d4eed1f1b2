#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "operator/api/kafka_cluster.h"
#include "operator/desired/desired.h"
#include "operator/plan/observed.h"
#include "operator/plan/plan.h"

namespace millrace::plan {

inline constexpr std::string_view kReady = "Ready";
inline constexpr std::string_view kProgressing = "Progressing";
// True while something of the specification is not followed; it never keeps anything from happening.
inline constexpr std::string_view kWarning = "Warning";

// What to do about a KafkaCluster. Pure.
//
// A specification that asks for what this version cannot do is refused whole: no step is taken, what runs keeps running
// as it was, and Ready is false with what to change. Otherwise objects that differ are applied; then pods of an older
// template are restarted, one at a time: those that are not ready first; one that is ready only while all others are
// ready, and with a permit of the brokers' controller, which is given back once the broker is in sync again. Brokers
// beyond the specification leave one at a time, the highest first, once nothing is left on them; no more than topics
// can do without.
Plan plan_cluster(const api::KafkaCluster& cluster, const ClusterObserved& observed, const desired::Defaults& defaults);

// What of the specification this version cannot do, in words for its author; empty when all can be done.
std::vector<std::string> refusals(const api::KafkaCluster& cluster, const desired::Defaults& defaults);

// The fields that are set and have no effect where pods are processes of this machine, as "spec.image". Together with
// refusals() this leaves no field that is ignored in silence.
std::vector<std::string> ignored_locally(const api::KafkaCluster& cluster);

// The Kafka cluster's id, for its life: what the ConfigMap says; else what the brokers said; else what is on the claims
// that an earlier KafkaCluster of this name has left; else a new one.
std::string cluster_id_of(const api::KafkaCluster& cluster, const ClusterObserved& observed);

// `cluster` as far as its specification is followed now: with as many brokers as there are, when it asks for fewer.
api::KafkaCluster followed(const api::KafkaCluster& cluster, const ClusterObserved& observed);

// Who asks for permits to stop brokers of this cluster: whoever operates it, also after a restart.
std::string permit_holder(const api::KafkaCluster& cluster);

// Whether the broker of `pod` may stop now, by the controller's answer. If not: plan.blocked_by has the reasons, or
// plan.ask the question.
bool ask_to_stop(const PodFacts& pod, const std::string& what_for, const ClusterObserved& observed, Plan& plan);

// Gives back permits that are not needed any more, and adds the restart of the outdated pod whose turn it is, if any,
// or what it waits for, or the question whether it may.
// Brokers from `staying` on leave: permits to stop them are those of their removal.
void plan_restart(const api::KafkaCluster& cluster, int32_t staying, const std::string& wanted_hash,
                  const ClusterObserved& observed, Plan& plan);

// What has to be looked at for a plan beyond what always is.
struct Wishes {
  bool topics = false;  // ClusterObserved::widest
  bool quorum = false;  // ClusterObserved::quorum
};
Wishes wishes_of(const api::KafkaCluster& cluster, const ClusterObserved& observed);

// How many brokers there are to be in the end: what the specification asks for, or what there are when topics need
// them, with a condition that says so. Nothing: it cannot be said now, and blocked_by says why. `now` is followed().
std::optional<int32_t> brokers_wanted(const api::KafkaCluster& cluster, const api::KafkaCluster& now,
                                      const ClusterObserved& observed, Plan& plan);

// One change of the voters, or what it waits for.
void plan_quorum(int32_t wanted, const ClusterObserved& observed, Plan& plan);

// Brokers from `wanted` on give their replicas away, and the last one goes when it has none; others that were to leave
// stay.
void plan_scale(int32_t wanted, const api::KafkaCluster& now, const ClusterObserved& observed,
                const desired::Defaults& defaults, Plan& plan);

// For a cluster that has nothing else to do: whether replicas move to brokers that have far fewer than others.
std::optional<Condition> plan_rebalance(const api::KafkaCluster& cluster, const ClusterObserved& observed, Plan& plan);

// Whether `present` already is as `wanted` says; members that `wanted` does not name may be anything.
bool is_as_wanted(const kube::Object& wanted, const kube::Object& present);

// "host:port,…" of one listener for clients, "" while there is none.
std::string bootstrap_of(const api::KafkaCluster& cluster, const api::ListenerSpec& listener,
                         const std::vector<PodFacts>& pods);

// The status of interfaces.md without conditions, which the writer adds.
kube::Json cluster_status(const api::KafkaCluster& cluster, const ClusterObserved& observed, const Plan& plan,
                          const desired::Defaults& defaults);

}  // namespace millrace::plan
