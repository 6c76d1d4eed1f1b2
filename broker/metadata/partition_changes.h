#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "broker/metadata/controller_state.h"
#include "broker/metadata/decisions.h"
#include "broker/metadata/partition_rules.h"

namespace millrace::metadata {

// The partition records of one decision, at most kPartitionsPerCommandMax of them. A partition is changed once at most:
// the image that changes are derived from does not have them yet.
class PartitionChanges {
 public:
  PartitionChanges(const ControllerState& state, const DecisionContext& context, Standing standing)
      : state_(state), context_(context), standing_(std::move(standing)) {}
  PartitionChanges(const ControllerState& state, const DecisionContext& context)
      : PartitionChanges(state, context, Standing(state.image(), context.now.wall_ms)) {}
  PartitionChanges(const PartitionChanges&) = delete;
  PartitionChanges& operator=(const PartitionChanges&) = delete;

  Standing& standing() { return standing_; }
  bool full() const { return changed_.size() >= static_cast<size_t>(kPartitionsPerCommandMax); }
  size_t size() const { return changed_.size(); }
  bool changed(const TopicImage& topic, PartitionIndex index) const { return changed_.contains({topic.id, index}); }
  PartitionRules rules(const TopicImage& topic);

  // Settles a partition that becomes `wanted`; answers what it will be, or nothing when nothing differs. The partition
  // must not have been changed, and full() must be false.
  std::optional<PartitionImage> settle(const TopicImage& topic, PartitionIndex index, PartitionImage wanted,
                                       SettleOptions options = {});
  void put(const TopicImage& topic, PartitionIndex index, PartitionImage state);            // as it is
  void put_unbounded(const TopicImage& topic, PartitionIndex index, PartitionImage state);  // the batch is the bound

  // Everything that brokers who do not lead any more must give up: leadership and, where others are in sync,
  // membership. `lost`: see SettleOptions. False when full before all was done.
  bool depart(const std::set<BrokerId>& brokers, BrokerId lost = kNoBroker);
  // Partitions without leader that get one as brokers stand. False when full before all were tried.
  bool elect_leaderless();

  std::vector<machine::Record> take_records() { return std::move(records_); }
  std::vector<machine::Record>& records() { return records_; }

 private:
  const ControllerState& state_;
  const DecisionContext& context_;
  Standing standing_;
  std::map<Uuid, PartitionRules> rules_;
  std::set<ReplicaIndex::Partition> changed_;
  std::vector<machine::Record> records_;
};

// Calls visit(topic, index, partition) for the partitions of topics in which a broker has replicas, in order of topic
// id, until it returns false; answers whether all were visited. Not all of them are the broker's.
template <class Visit>
bool for_each_of(const ControllerState& state, const std::set<BrokerId>& brokers, Visit visit) {
  std::set<Uuid> topics;
  for (const BrokerId id : brokers) {
    for (const auto& [topic, count] : state.index.topics(id)) topics.insert(topic);
  }
  for (const Uuid& id : topics) {
    const TopicImage& topic = *state.image().find_topic(id);
    for (size_t i = 0; i < topic.partitions.size(); ++i) {
      if (!visit(topic, PartitionIndex{static_cast<int32_t>(i)}, topic.partitions[i])) return false;
    }
  }
  return true;
}

}  // namespace millrace::metadata
