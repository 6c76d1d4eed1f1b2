#include <algorithm>
#include <map>

#include "broker/metadata/decisions.h"
#include "broker/metadata/moves.h"
#include "broker/metadata/partition_changes.h"
#include "broker/metadata/reassignment.h"
#include "broker/metadata/upkeep.h"

namespace millrace::metadata {
namespace {

constexpr int32_t kDecommissionMovesMax = 1'000;

std::string name_of(BrokerId id) { return "broker " + std::to_string(id.value()); }

// Where a replica could go instead, the best first by (shares a rack with another replica, replicas it has).
class Replacements {
 public:
  explicit Replacements(const ControllerState& state) : image_(state.image()) {
    for (const auto& [id, broker] : image_.brokers) {
      if (broker.takes_replicas()) load_[id] = state.index.counts(id).replicas;
    }
  }

  BrokerId find(const PartitionImage& partition, BrokerId node) const {
    BrokerId best = kNoBroker;
    std::pair<bool, int32_t> best_cost;
    for (const auto& [id, load] : load_) {
      if (holds(partition.replicas, id)) continue;
      const std::pair<bool, int32_t> cost{shares_rack(partition, node, id), load};
      if (best != kNoBroker && cost >= best_cost) continue;
      best = id;
      best_cost = cost;
    }
    return best;
  }
  void use(BrokerId id) { ++load_[id]; }

 private:
  bool shares_rack(const PartitionImage& partition, BrokerId node, BrokerId candidate) const {
    const std::string& rack = image_.find_broker(candidate)->rack;
    return std::any_of(partition.replicas.begin(), partition.replicas.end(), [&](BrokerId id) {
      const BrokerImage* broker = image_.find_broker(id);
      return id != node && broker != nullptr && broker->rack == rack;
    });
  }
  const ClusterImage& image_;
  std::map<BrokerId, int32_t> load_;
};

enum class Move : uint8_t { none, under_way, possible, stuck };

Move move_of(const Replacements& replacements, const PartitionImage& partition, BrokerId node) {
  if (!holds(partition.replicas, node)) return Move::none;
  if (partition.reassigning()) return Move::under_way;  // also one that somebody else began: it is waited for
  // Without a leader nobody could be copied from.
  const bool movable = partition.leader != kNoBroker && replacements.find(partition, node) != kNoBroker;
  return movable ? Move::possible : Move::stuck;
}

std::vector<BrokerId> replaced(std::vector<BrokerId> replicas, BrokerId node, BrokerId by) {
  std::replace(replicas.begin(), replicas.end(), node, by);
  return replicas;
}

void drain(PartitionChanges& changes, const ControllerState& state, const BrokerImage& broker,
           Replacements& replacements) {
  int32_t under_way = 0;
  for_each_of(state, {broker.id}, [&](const TopicImage&, PartitionIndex, const PartitionImage& now) {
    if (holds(now.removing, broker.id)) ++under_way;
    return true;
  });
  for_each_of(state, {broker.id}, [&](const TopicImage& topic, PartitionIndex index, const PartitionImage& now) {
    if (under_way >= broker.decommission_moves_max || changes.full()) return false;
    if (changes.changed(topic, index) || move_of(replacements, now, broker.id) != Move::possible) return true;
    const BrokerId by = replacements.find(now, broker.id);
    Result<PartitionImage> wanted = retargeted(now, replaced(now.replicas, broker.id, by));
    if (!wanted || !changes.settle(topic, index, std::move(*wanted))) return true;
    replacements.use(by);
    ++under_way;
    return true;
  });
}

}  // namespace

void drain_decommissioned(PartitionChanges& changes, const ControllerState& state) {
  std::optional<Replacements> replacements;
  for (const auto& [id, broker] : state.image().brokers) {
    if (!broker.decommissioned() || state.index.counts(id).replicas == 0) continue;
    if (!replacements) replacements.emplace(state);
    drain(changes, state, broker, *replacements);
  }
}

Decision<Status> decide(const ControllerState& state, const Decommission& command, const DecisionContext& context) {
  Decision<Status> decision{.records = {}, .reply = ok(), .also = {}};
  const BrokerImage* broker = state.image().find_broker(command.node);
  if (broker == nullptr) {
    decision.reply = Error{Errc::broker_not_registered, name_of(command.node)};
  } else if (command.moves_max < 1 || command.moves_max > kDecommissionMovesMax) {
    decision.reply = Error{Errc::invalid_argument, std::to_string(command.moves_max) +
                                                       " partitions at a time are not between 1 and " +
                                                       std::to_string(kDecommissionMovesMax)};
  } else if (!broker->decommissioned() || broker->decommission_moves_max != command.moves_max) {
    const Timestamp since = broker->decommissioned() ? broker->decommission_since_ms : context.now.wall_ms;
    add(decision.records, DecommissionRecord{command.node, since, command.moves_max});
  }
  return decision;
}

Decision<Status> decide(const ControllerState& state, const CancelDecommission& command,
                        const DecisionContext& context) {
  Decision<Status> decision{.records = {}, .reply = ok(), .also = {}};
  const BrokerImage* broker = state.image().find_broker(command.node);
  if (broker == nullptr) {
    decision.reply = Error{Errc::broker_not_registered, name_of(command.node)};
    return decision;
  }
  if (!broker->decommissioned()) {
    decision.reply = Error{Errc::not_found, "decommission of " + name_of(command.node)};
    return decision;
  }
  PartitionChanges changes(state, context);
  for_each_of(state, {command.node}, [&](const TopicImage& topic, PartitionIndex index, const PartitionImage& now) {
    if (now.removing.get() != std::vector{command.node} || changes.full()) return true;
    // One whose former replicas fell out of sync goes on: there is no way back for it.
    if (Result<PartitionImage> wanted = cancelled(now)) changes.settle(topic, index, std::move(*wanted));
    return true;
  });
  decision.records = changes.take_records();
  add(decision.records, DecommissionRecord{command.node, kNoTimestamp, 0});
  return decision;
}

void note_pace(ControllerState& state, TimePoint now) {
  for (const auto& [id, broker] : state.image().brokers) {
    if (!broker.decommissioned()) continue;
    const int32_t left = state.index.counts(id).replicas;
    DrainPace& pace = state.pace.try_emplace(id, DrainPace{now, left}).first->second;
    if (left > pace.left) pace = {now, left};
  }
  std::erase_if(state.pace, [&](const auto& entry) {
    const BrokerImage* broker = state.image().find_broker(entry.first);
    return broker == nullptr || !broker->decommissioned();
  });
}

namespace {

// What is left takes as long as what was done did.
std::optional<std::chrono::milliseconds> remaining_of(const ControllerState& state, BrokerId node, TimePoint now) {
  const int32_t left = state.index.counts(node).replicas;
  const auto pace = state.pace.find(node);
  if (left == 0) return std::chrono::milliseconds{0};
  if (pace == state.pace.end() || pace->second.left <= left) return std::nullopt;
  const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(now - pace->second.since);
  return passed * left / (pace->second.left - left);
}

}  // namespace

DecommissionProgress decommission_progress(const ControllerState& state, BrokerId node, TimePoint now) {
  DecommissionProgress progress;
  const BrokerImage* broker = state.image().find_broker(node);
  if (broker == nullptr || !broker->decommissioned()) return progress;
  progress.since_ms = broker->decommission_since_ms;
  progress.moves_max = broker->decommission_moves_max;
  progress.partitions_left = state.index.counts(node).replicas;
  progress.remaining = remaining_of(state, node, now);
  const Replacements replacements(state);
  for_each_of(state, {node}, [&](const TopicImage& topic, PartitionIndex index, const PartitionImage& now_is) {
    const Move move = move_of(replacements, now_is, node);
    if (move == Move::under_way) ++progress.moving;
    if (move == Move::stuck && progress.stuck++ == 0) progress.first_stuck = PartitionName{topic.name, index};
    return true;
  });
  return progress;
}

MovePlan plan_decommission(const ControllerState& state, BrokerId node, int32_t moves_max) {
  MovePlan plan;
  Replacements replacements(state);
  for_each_of(state, {node}, [&](const TopicImage& topic, PartitionIndex index, const PartitionImage& now) {
    const Move move = move_of(replacements, now, node);
    if (move == Move::under_way) ++plan.moving;
    if (move == Move::stuck) ++plan.stuck;
    if (move != Move::possible) return true;
    const BrokerId by = replacements.find(now, node);
    replacements.use(by);
    if (static_cast<int32_t>(plan.moves.size()) < moves_max) {
      plan.moves.push_back({{topic.name, index}, now.replicas, replaced(now.replicas, node, by)});
    } else {
      ++plan.left;
    }
    return true;
  });
  return plan;
}

}  // namespace millrace::metadata
