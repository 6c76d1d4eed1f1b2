#include <algorithm>

#include "broker/metadata/decisions.h"
#include "broker/metadata/partition_changes.h"
#include "broker/metadata/reassignment.h"

namespace millrace::metadata {
namespace {

using Ids = std::vector<BrokerId>;

Ids common(const Ids& ids, const Ids& with) {
  Ids both;
  std::copy_if(ids.begin(), ids.end(), std::back_inserter(both), [&](BrokerId id) { return holds(with, id); });
  return both;
}
Ids difference(const Ids& ids, const Ids& without_these) {
  Ids rest;
  std::copy_if(ids.begin(), ids.end(), std::back_inserter(rest),
               [&](BrokerId id) { return !holds(without_these, id); });
  return rest;
}

// The partition with these replicas, whose sets hold no others.
Result<PartitionImage> with_replicas(PartitionImage state, Ids replicas) {
  state.isr = common(state.isr, replicas);
  if (state.isr.empty()) {
    return Error{Errc::invalid_replica_assignment, "no replica that is in sync would be left"};
  }
  state.elr = common(state.elr.get(), replicas);
  state.last_known_elr = common(state.last_known_elr.get(), replicas);
  state.replicas = std::move(replicas);
  return state;
}

Status check_target(const ClusterImage& image, const PartitionImage& now, const Ids& target,
                    bool allow_replication_factor_change) {
  const Ids before = replicas_before(now);
  std::set<BrokerId> seen;
  for (const BrokerId id : target) {
    const std::string name = "broker " + std::to_string(id.value());
    const BrokerImage* broker = image.find_broker(id);
    if (broker == nullptr) return Error{Errc::invalid_replica_assignment, name + " is not registered"};
    if (!seen.insert(id).second) return Error{Errc::invalid_replica_assignment, name + " is named twice"};
    if (broker->decommissioned() && !holds(before, id)) {
      return Error{Errc::invalid_replica_assignment, name + " is being decommissioned"};
    }
  }
  if (target.empty()) return Error{Errc::invalid_replica_assignment, "no replicas"};
  if (!allow_replication_factor_change && target.size() != before.size()) {
    return Error{Errc::invalid_replication_factor,
                 std::to_string(target.size()) + " replicas where there are " + std::to_string(before.size())};
  }
  return ok();
}

Status reassign(PartitionChanges& changes, const ClusterImage& image, const AlterReassignments::Item& item,
                bool allow_replication_factor_change) {
  const PartitionName& name = item.partition;
  const std::string words = "partition " + name.topic + "-" + std::to_string(name.partition.value());
  const auto about = [&](Error error) { return Error{error.code, words + ": " + error.context}; };
  const TopicImage* topic = image.find_topic(name.topic);
  const PartitionImage* now = image.find_partition(name.topic, name.partition);
  if (now == nullptr) return Error{Errc::unknown_topic_or_partition, words};
  if (changes.changed(*topic, name.partition)) {
    return Error{Errc::invalid_replica_assignment, words + " is in the request more than once"};
  }
  if (changes.full()) {
    return Error{Errc::overloaded,
                 "one request can change at most " + std::to_string(kPartitionsPerCommandMax) + " partitions"};
  }
  if (item.replicas) {
    const Status right = check_target(image, *now, *item.replicas, allow_replication_factor_change);
    if (!right) return about(right.error());
  }
  Result<PartitionImage> wanted = item.replicas ? retargeted(*now, *item.replicas) : cancelled(*now);
  if (!wanted) return about(std::move(wanted).error());
  changes.settle(*topic, name.partition, std::move(*wanted));
  return ok();
}

void add_reassignment(std::vector<Reassignment>& list, const std::string& topic, PartitionIndex index,
                      const PartitionImage& partition) {
  if (!partition.reassigning()) return;
  list.push_back({{topic, index}, partition.replicas, partition.adding.get(), partition.removing.get()});
}

}  // namespace

std::vector<BrokerId> replicas_before(const PartitionImage& partition) {
  return difference(partition.replicas, partition.adding.get());
}

Result<PartitionImage> retargeted(const PartitionImage& now, const Ids& target) {
  const Ids before = replicas_before(now);
  const Ids removing = difference(before, target);
  Ids replicas = target;
  replicas.insert(replicas.end(), removing.begin(), removing.end());
  TRY_ASSIGN(PartitionImage state, with_replicas(now, std::move(replicas)));
  state.adding = difference(target, before);
  state.removing = removing;
  return state;
}

Result<PartitionImage> cancelled(const PartitionImage& now) {
  if (!now.reassigning()) return Error{Errc::no_reassignment_in_progress, "there is nothing to cancel"};
  TRY_ASSIGN(PartitionImage state, with_replicas(now, replicas_before(now)));
  state.adding = {};
  state.removing = {};
  return state;
}

Decision<AlterReassignmentsReply> decide(const ControllerState& state, const AlterReassignments& command,
                                         const DecisionContext& context) {
  Decision<AlterReassignmentsReply> decision;
  PartitionChanges changes(state, context);
  for (const AlterReassignments::Item& item : command.partitions) {
    decision.reply.partitions.emplace_back(
        item.partition, reassign(changes, state.image(), item, command.allow_replication_factor_change));
  }
  decision.records = changes.take_records();
  return decision;
}

std::vector<Reassignment> list_reassignments(const ClusterImage& image,
                                             const std::optional<std::vector<PartitionName>>& partitions) {
  std::vector<Reassignment> list;
  if (partitions) {
    const std::set<PartitionName> names(partitions->begin(), partitions->end());
    for (const PartitionName& name : names) {
      const PartitionImage* partition = image.find_partition(name.topic, name.partition);
      if (partition != nullptr) add_reassignment(list, name.topic, name.partition, *partition);
    }
    return list;
  }
  for (const auto& [name, topic] : image.topics()) {
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      add_reassignment(list, name, PartitionIndex{static_cast<int32_t>(i)}, topic->partitions[i]);
    }
  }
  return list;
}

}  // namespace millrace::metadata
