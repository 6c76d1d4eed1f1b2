// What the brokers say of their cluster, and what their controller answers.

#include <algorithm>
#include <utility>

#include "operator/controller/observe.h"
#include "operator/desired/names.h"
#include "operator/plan/cluster_plan.h"

namespace millrace::controller {

namespace {

plan::BrokerFacts facts_of(const admin::BrokerState& broker) {
  return {.id = broker.id.value(),
          .rack = broker.rack,
          .leaders = broker.leaders,
          .partitions = broker.replicas,
          .out_of_sync = broker.replicas - broker.in_sync,
          .is_fenced = broker.fenced,
          .permit_holder = broker.permit ? broker.permit->holder : std::string()};
}

std::string word(admin::StopRefusal::Rule rule) {
  switch (rule) {
    case admin::StopRefusal::Rule::unknown:
      return "Permit";
    case admin::StopRefusal::Rule::other_permit:
      return "OtherPermit";
    case admin::StopRefusal::Rule::min_insync:
      return "MinInsync";
    case admin::StopRefusal::Rule::no_other_leader:
      return "NoOtherLeader";
    case admin::StopRefusal::Rule::quorum_majority:
      return "QuorumMajority";
  }
  return "Permit";
}

void ask_to_stop(admin::ClusterAdmin& brokers, const api::KafkaCluster& cluster, plan::Answer& answer) {
  // Nothing that is waited for brings a single replica a second one.
  const Result<admin::StopAnswer> said = brokers.may_stop({.node = BrokerId(answer.question.broker),
                                                           .holder = plan::permit_holder(cluster),
                                                           .ttl = kPermitTime,
                                                           .accept_single_replicas = true});
  if (!said) {
    answer.error = said.error().to_string();
    return;
  }
  answer.is_granted = said->granted;
  answer.refusals_total = said->refusals_total;
  for (const admin::StopRefusal& one : said->refusals) {
    answer.refusals.push_back({.rule = word(one.rule),
                               .partition = one.partition ? one.partition->to_string() : std::string(),
                               .words = one.words,
                               .since_ms = one.since_ms});
  }
}

}  // namespace

io::Endpoint rpc_address(const api::KafkaCluster& cluster, const plan::PodFacts& pod) {
  if (pod.local_ports.empty()) return {desired::pod_host(cluster, pod.ordinal), desired::kRpcPort};
  const auto port = pod.local_ports.find(std::string(desired::kRpcPortName));
  if (port == pod.local_ports.end()) return {};
  return {"127.0.0.1", static_cast<uint16_t>(port->second)};
}

Result<admin::ClusterAdmin*> brokers_of(KafkaClients& clients, const api::KafkaCluster& cluster,
                                        const std::vector<plan::PodFacts>& pods, const std::string& cluster_id) {
  admin::ClusterAdminOptions options{.cluster_id = cluster_id};
  for (const plan::PodFacts& pod : pods) {
    const io::Endpoint address = rpc_address(cluster, pod);
    if (pod.is_ready && !address.host.empty()) options.brokers.push_back(address);
  }
  if (options.brokers.empty()) return Error{Errc::connection_refused, "no broker is ready yet"};
  return clients.brokers_of({"KafkaCluster", cluster.name_space, cluster.name}, options);
}

plan::KafkaFacts kafka_facts(KafkaClients& clients, const api::KafkaCluster& cluster,
                             const plan::ClusterObserved& observed) {
  const auto client = brokers_of(clients, cluster, observed.pods, plan::cluster_id_of(cluster, observed));
  if (!client) return {.error = client.error().to_string()};
  const Result<admin::ClusterState> state = (*client)->describe();
  if (!state) return {.error = state.error().to_string()};
  plan::KafkaFacts facts{.is_reachable = true,
                         .cluster_id = state->cluster_id,
                         .no_controller = state->no_controller,
                         .controller = state->controller.value()};
  for (const admin::BrokerState& broker : state->brokers) facts.brokers.push_back(facts_of(broker));
  return facts;
}

plan::Answer ask(KafkaClients& clients, const api::KafkaCluster& cluster, const plan::ClusterObserved& observed,
                 const plan::Question& question) {
  plan::Answer answer{.question = question};
  const auto client = brokers_of(clients, cluster, observed.pods, plan::cluster_id_of(cluster, observed));
  if (!client) {
    answer.error = client.error().to_string();
    return answer;
  }
  switch (question.kind) {
    case plan::Question::Kind::may_stop:
      ask_to_stop(**client, cluster, answer);
  }
  return answer;
}

}  // namespace millrace::controller
