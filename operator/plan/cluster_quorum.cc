// Who votes on the metadata log: the first one, three or five brokers, as many as there are brokers for.

#include <algorithm>

#include "operator/desired/quorum.h"
#include "operator/plan/cluster_plan.h"

namespace millrace::plan {

namespace {

std::string name_of(int32_t broker) { return "broker " + std::to_string(broker); }

bool holds(const std::vector<int32_t>& ids, int32_t id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); }

const QuorumMemberFacts* find(const std::vector<QuorumMemberFacts>& members, int32_t id) {
  const auto found =
      std::find_if(members.begin(), members.end(), [&](const QuorumMemberFacts& one) { return one.id == id; });
  return found == members.end() ? nullptr : &*found;
}

void add_voter(int32_t id, const ClusterObserved& observed, Plan& plan) {
  const PodFacts* const pod = observed.find_pod(id);
  const BrokerFacts* const broker = observed.kafka.find(id);
  if (pod == nullptr || !pod->is_ready || pod->is_deleting || broker == nullptr || broker->is_fenced) return;
  plan.check_again = std::min(plan.check_again, kCheckSoon);
  const QuorumMemberFacts* const member = observed.quorum ? find(observed.quorum->observers, id) : nullptr;
  if (member == nullptr || member->directory != broker->directory || !member->is_caught_up) {
    plan.blocked_by.push_back(
        {"Quorum", name_of(id), name_of(id) + " votes on metadata once it has all of the metadata log"});
    return;
  }
  plan.steps.push_back(AddVoter{id, broker->directory, broker->rpc_host, broker->rpc_port});
  plan.notes.push_back({false, "VoterAdded", name_of(id) + " votes on metadata"});
}

void remove_voter(int32_t id, const ClusterObserved& observed, Plan& plan) {
  const QuorumMemberFacts* const member = observed.quorum ? find(observed.quorum->voters, id) : nullptr;
  plan.check_again = std::min(plan.check_again, kCheckSoon);
  if (member == nullptr) return;
  plan.steps.push_back(RemoveVoter{id, member->directory});
  plan.notes.push_back({false, "VoterRemoved", name_of(id) + " does not vote on metadata any more"});
}

// Brokers that leave vote until they have given their replicas away: until then they may still stay.
bool may_lose_vote(int32_t id, int32_t wanted, const ClusterObserved& observed) {
  if (id < wanted) return true;
  for (const BrokerFacts& broker : observed.kafka.brokers) {
    if (broker.id >= id && (!broker.decommission || broker.decommission->left > 0)) return false;
  }
  return true;
}

}  // namespace

Wishes wishes_of(const api::KafkaCluster& cluster, const ClusterObserved& observed) {
  const int32_t now = followed(cluster, observed).replicas;
  std::vector<int32_t> voters = observed.kafka.voters;
  std::sort(voters.begin(), voters.end());
  const int32_t count = desired::voters_of(cluster.replicas);
  const bool as_wanted = static_cast<int32_t>(voters.size()) == count && (count == 0 || voters.back() == count - 1);
  return {.topics = cluster.replicas < now, .quorum = observed.kafka.is_certain() && !voters.empty() && !as_wanted};
}

void plan_quorum(int32_t wanted, const ClusterObserved& observed, Plan& plan) {
  const std::vector<int32_t>& voters = observed.kafka.voters;
  if (!observed.kafka.is_certain() || voters.empty()) return;
  const int32_t count = desired::voters_of(wanted);
  for (int32_t id = 0; id < count; ++id) {
    if (!holds(voters, id)) return add_voter(id, observed, plan);
  }
  const int32_t last = *std::max_element(voters.begin(), voters.end());
  if (last >= count && may_lose_vote(last, wanted, observed)) remove_voter(last, observed, plan);
}

}  // namespace millrace::plan
