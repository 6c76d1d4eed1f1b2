// What the brokers say of their cluster, and what their controller answers.

#include <algorithm>
#include <utility>

#include "operator/controller/observe.h"
#include "operator/desired/names.h"
#include "operator/plan/cluster_plan.h"

namespace millrace::controller {

namespace {

// A pass over another cluster, and the operator's stop, may wait as long.
constexpr std::chrono::milliseconds kCallTime{5'000};
constexpr std::chrono::milliseconds kAttemptTime{2'000};

plan::BrokerFacts facts_of(const admin::BrokerState& broker) {
  plan::BrokerFacts facts{.id = broker.id.value(),
                          .rack = broker.rack,
                          .leaders = broker.leaders,
                          .partitions = broker.replicas,
                          .out_of_sync = broker.replicas - broker.in_sync,
                          .is_fenced = broker.fenced,
                          .permit_holder = broker.permit ? broker.permit->holder : std::string(),
                          .directory = broker.directory_id,
                          .rpc_host = broker.rpc.host,
                          .rpc_port = broker.rpc.port};
  if (const auto& leaves = broker.decommission) {
    facts.decommission = {.left = leaves->left,
                          .moving = leaves->moving,
                          .stuck = leaves->stuck,
                          .first_stuck = leaves->first_stuck ? leaves->first_stuck->to_string() : std::string()};
  }
  return facts;
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

void ask_to_rebalance(admin::ClusterAdmin& brokers, plan::Answer& answer) {
  const Result<admin::Moves> begun = brokers.rebalance(/*moves_max=*/0);
  if (!begun) {
    answer.error = begun.error().to_string();
    return;
  }
  answer.moves = begun->moving + begun->total;
  answer.moves_left = begun->left;
}

// Ties go to the name that comes first, so that the same one is named each time.
std::optional<plan::WidestTopic> widest_of(admin::Client& kafka) {
  const Result<std::vector<admin::TopicDescription>> topics = kafka.describe_topics();
  if (!topics) return std::nullopt;
  plan::WidestTopic widest;
  for (const admin::TopicDescription& topic : *topics) {
    int32_t replicas = 0;
    for (const admin::PartitionDescription& partition : topic.partitions) {
      replicas = std::max(replicas, static_cast<int32_t>(partition.replicas.size()));
    }
    const bool is_wider = replicas > widest.replicas || (replicas == widest.replicas && topic.name < widest.name);
    if (is_wider) widest = {topic.name, replicas};
  }
  return widest;
}

std::optional<plan::QuorumFacts> quorum_of(admin::Client& kafka) {
  // What a broker may lack of the log that votes as of now: it follows closely.
  constexpr int64_t kLagMax = 100;
  const Result<admin::QuorumDescription> quorum = kafka.describe_quorum();
  if (!quorum) return std::nullopt;
  const auto facts = [&](const std::vector<admin::QuorumMember>& members) {
    std::vector<plan::QuorumMemberFacts> result;
    for (const admin::QuorumMember& one : members) {
      result.push_back({.id = one.id.value(),
                        .directory = one.directory.to_string(),
                        .is_caught_up = one.log_end >= 0 && one.log_end + kLagMax >= quorum->high_watermark});
    }
    return result;
  };
  return plan::QuorumFacts{.voters = facts(quorum->voters), .observers = facts(quorum->observers)};
}

}  // namespace

void look_further(KafkaClients& clients, const api::KafkaCluster& cluster, plan::ClusterObserved& observed) {
  const plan::Wishes wishes = plan::wishes_of(cluster, observed);
  if (!wishes.topics && !wishes.quorum) return;
  const Result<admin::Client*> kafka = client_of(clients, cluster, observed.pods);
  if (!kafka) return;
  if (wishes.topics) observed.widest = widest_of(**kafka);
  if (wishes.quorum) observed.quorum = quorum_of(**kafka);
}

io::Endpoint rpc_address(const api::KafkaCluster& cluster, const plan::PodFacts& pod) {
  if (pod.local_ports.empty()) return {desired::pod_host(cluster, pod.ordinal), desired::kRpcPort};
  const auto port = pod.local_ports.find(std::string(desired::kRpcPortName));
  if (port == pod.local_ports.end()) return {};
  return {"127.0.0.1", static_cast<uint16_t>(port->second)};
}

Result<admin::ClusterAdmin*> brokers_of(KafkaClients& clients, const api::KafkaCluster& cluster,
                                        const std::vector<plan::PodFacts>& pods, const std::string& cluster_id) {
  admin::ClusterAdminOptions options{.cluster_id = cluster_id, .timeout = kCallTime, .attempt_timeout = kAttemptTime};
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
  for (const admin::VoterState& voter : state->voters) facts.voters.push_back(voter.id.value());
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
      break;
    case plan::Question::Kind::rebalance:
      ask_to_rebalance(**client, answer);
      break;
  }
  return answer;
}

}  // namespace millrace::controller
