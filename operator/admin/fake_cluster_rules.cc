// What the controller of FakeClusterAdmin decides and tells.

#include <algorithm>

#include "broker/base/uuid.h"
#include "operator/admin/fake_cluster_admin.h"

namespace millrace::admin {

namespace {

std::string name_of(int32_t id) { return "broker " + std::to_string(id); }

}  // namespace

bool FakeClusterAdmin::Partition::has(int32_t id) const {
  return leaves == id || std::find(replicas.begin(), replicas.end(), id) != replicas.end();
}

int32_t FakeClusterAdmin::Partition::needed() const {
  return std::min(min_insync, static_cast<int32_t>(replicas.size()));
}

std::optional<StopPermit> FakeClusterAdmin::permit_of(int32_t id) const {
  const auto found = brokers_.find(id);
  if (found == brokers_.end() || !found->second.permit) return std::nullopt;
  return found->second.permit->expires_ms <= clock_.wall_ms() ? std::nullopt : found->second.permit;
}

bool FakeClusterAdmin::is_gone(int32_t id) const {
  const auto found = brokers_.find(id);
  return found == brokers_.end() || found->second.fenced || permit_of(id).has_value();
}

// How many of `ids` are there without `node`.
int32_t FakeClusterAdmin::others_of(const std::set<int32_t>& ids, int32_t node) const {
  int32_t count = 0;
  for (const int32_t id : ids) count += id != node && !is_gone(id) ? 1 : 0;
  return count;
}

StopAnswer FakeClusterAdmin::judge(const StopQuestion& question) {
  const int32_t node = question.node.value();
  const std::optional<StopPermit> held = permit_of(node);
  const bool down = brokers_.at(node).fenced;
  StopAnswer answer;
  if (held && held->holder != question.holder) {
    answer.refusals.push_back({.rule = StopRefusal::Rule::other_permit,
                               .since_ms = held->granted_ms,
                               .words = held->holder + " holds the permit to stop " + name_of(node)});
  } else if (!(held && down)) {
    const auto majority = static_cast<int64_t>(voters_.size() / 2 + 1);
    const int32_t remaining = others_of(voters_, node);
    const bool is_alone = voters_.size() == 1 && question.accept_single_replicas;
    if (voters_.contains(node) && !is_alone && remaining < majority) {
      answer.refusals.push_back({.rule = StopRefusal::Rule::quorum_majority,
                                 .words = "the metadata quorum needs " + std::to_string(majority) + " of its " +
                                          std::to_string(voters_.size()) + " members and would have " +
                                          std::to_string(remaining) + " without " + name_of(node)});
    }
    if (!down) judge_partitions(question, answer);
  }
  answer.refusals_total = static_cast<int32_t>(answer.refusals.size());
  answer.granted = answer.refusals.empty();
  return answer;
}

void FakeClusterAdmin::judge_partitions(const StopQuestion& question, StopAnswer& answer) {
  const int32_t node = question.node.value();
  for (const auto& [name, partition] : partitions_) {
    if (!partition.in_sync.contains(node)) continue;
    if (question.accept_single_replicas && partition.replicas.size() == 1) continue;
    const int32_t remaining = others_of(partition.in_sync, node);
    if (remaining >= partition.needed()) continue;
    const PartitionName named{name.first, name.second};
    answer.refusals.push_back(
        {.rule = remaining == 0 ? StopRefusal::Rule::no_other_leader : StopRefusal::Rule::min_insync,
         .partition = named,
         .words = "partition " + named.to_string() + " needs " + std::to_string(partition.needed()) +
                  " in-sync replicas and would have " + std::to_string(remaining) + " without " + name_of(node)});
  }
}

bool FakeClusterAdmin::takes_replicas(int32_t id) const {
  const auto found = brokers_.find(id);
  return found != brokers_.end() && !found->second.fenced && !found->second.decommission;
}

int32_t FakeClusterAdmin::count(int32_t id) const {
  return static_cast<int32_t>(
      std::count_if(partitions_.begin(), partitions_.end(), [&](const auto& entry) { return entry.second.has(id); }));
}

int32_t FakeClusterAdmin::moving() const {
  return static_cast<int32_t>(std::count_if(partitions_.begin(), partitions_.end(),
                                            [](const auto& entry) { return entry.second.leaves.has_value(); }));
}

// The emptiest broker that has no replica of the partition.
std::optional<int32_t> FakeClusterAdmin::other_for(const Partition& partition) const {
  std::optional<int32_t> best;
  for (const auto& [id, broker] : brokers_) {
    if (!takes_replicas(id) || partition.has(id)) continue;
    if (!best || count(id) < count(*best)) best = id;
  }
  return best;
}

// The fullest and the emptiest broker, while the one has two replicas more than the other.
std::optional<std::pair<int32_t, int32_t>> FakeClusterAdmin::uneven(const std::map<int32_t, int32_t>& load) const {
  const auto less = [](const auto& a, const auto& b) { return a.second < b.second; };
  const auto [low, high] = std::minmax_element(load.begin(), load.end(), less);
  if (load.empty() || high->second - low->second < 2) return std::nullopt;
  return std::pair(high->first, low->first);
}

// Moves off `leaving`, or those that spread replicas evenly; with `begin` at most `moves_max` are under way then.
Moves FakeClusterAdmin::planned(std::optional<int32_t> leaving, int32_t moves_max, bool begin) {
  Moves result{.moving = moving()};
  std::map<int32_t, int32_t> load;
  for (const auto& [id, broker] : brokers_) {
    if (!takes_replicas(id)) continue;
    load[id] =
        static_cast<int32_t>(std::count_if(partitions_.begin(), partitions_.end(), [&, id = id](const auto& one) {
          return one.second.has(id) && one.second.leaves != id;
        }));
  }
  for (auto& [name, partition] : partitions_) {
    std::optional<int32_t> from = leaving;
    std::optional<int32_t> to;
    if (partition.leaves) continue;
    if (leaving) {
      if (!partition.has(*leaving)) continue;
      to = other_for(partition);
      if (!to) ++result.stuck;
    } else if (const auto pair = uneven(load); pair && partition.has(pair->first) && !partition.has(pair->second)) {
      from = pair->first;
      to = pair->second;
      --load[*from];
      ++load[*to];
    }
    if (!to) continue;
    if (begin && result.moving + result.total >= moves_max) {
      ++result.left;
      continue;
    }
    Move move{.partition = {name.first, name.second}};
    for (const int32_t id : partition.replicas) move.before.emplace_back(id);
    std::vector<int32_t> after = partition.replicas;
    std::replace(after.begin(), after.end(), *from, *to);
    for (const int32_t id : after) move.after.emplace_back(id);
    result.moves.push_back(std::move(move));
    ++result.total;
    if (!begin) continue;
    partition.replicas = std::move(after);
    partition.leaves = from;
  }
  return result;
}

Decommission FakeClusterAdmin::progress(int32_t id, const Decommission& so_far) const {
  Decommission result = so_far;
  for (const auto& [name, partition] : partitions_) {
    if (!partition.has(id)) continue;
    ++result.left;
    if (partition.leaves) {
      ++result.moving;
    } else if (!other_for(partition) && result.stuck++ == 0) {
      result.first_stuck = PartitionName{name.first, name.second};
    }
  }
  return result;
}

BrokerState FakeClusterAdmin::broker_state(int32_t id, const Broker& broker) const {
  BrokerState result{.id = BrokerId(id), .epoch = broker.epoch, .fenced = broker.fenced};
  result.directory_id = Uuid::from_random(1, static_cast<uint64_t>(id) + 1).to_string();
  result.rpc = {"127.0.0.1", rpc_port(id)};
  result.listeners = {{"plain", {"127.0.0.1", static_cast<uint16_t>(9092 + id)}}};
  result.permit = permit_of(id);
  if (broker.decommission) result.decommission = progress(id, *broker.decommission);
  for (const auto& [name, partition] : partitions_) {
    result.replicas += partition.has(id) ? 1 : 0;
    result.in_sync += partition.has(id) && partition.in_sync.contains(id) ? 1 : 0;
    result.leaders += !partition.in_sync.empty() && *partition.in_sync.begin() == id ? 1 : 0;
  }
  return result;
}

ClusterState FakeClusterAdmin::describe() const {
  ClusterState result{.cluster_id = "fake", .no_controller = no_controller_, .now_ms = clock_.wall_ms()};
  for (const auto& [id, broker] : brokers_) {
    result.brokers.push_back(broker_state(id, broker));
    if (!broker.fenced && result.controller == kNoBroker && voters_.contains(id)) result.controller = BrokerId(id);
  }
  if (!no_controller_.empty()) {
    result.controller = kNoBroker;
    return result;
  }
  for (const int32_t id : voters_) {
    const auto found = brokers_.find(id);
    result.voters.push_back({BrokerId(id), found != brokers_.end() && !found->second.fenced});
  }
  return result;
}

Result<BrokerSelf> FakeClusterAdmin::self_at(const io::Endpoint& address) const {
  const int32_t id = address.port - rpc_port(0);
  const auto found = brokers_.find(id);
  if (!reachable_ || found == brokers_.end() || found->second.fenced) {
    return Error{Errc::connection_refused, address.to_string()};
  }
  BrokerSelf result{.id = BrokerId(id), .cluster_id = "fake", .version = "0.1.0", .fenced = false};
  result.isolated = !no_controller_.empty();
  result.isolated_since_ms = no_controller_since_;
  for (const int32_t voter : voters_) {
    result.quorum.voters.push_back({BrokerId(voter), Uuid::from_random(1, static_cast<uint64_t>(voter) + 1).to_string(),
                                    Address{"127.0.0.1", rpc_port(voter)}});
  }
  return result;
}

}  // namespace millrace::admin
