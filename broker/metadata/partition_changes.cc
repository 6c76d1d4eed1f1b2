#include "broker/metadata/partition_changes.h"

#include <algorithm>

#include "broker/metadata/topic_config.h"

namespace millrace::metadata {

PartitionRules PartitionChanges::rules(const TopicImage& topic) {
  const auto found = rules_.find(topic.id);
  if (found != rules_.end()) return found->second;
  const ClusterImage& image = state_.image();
  const PartitionRules rules{
      .brokers = &standing_,
      .min_insync = effective_min_insync(image, topic, context_.config),
      .unclean_election = effective_topic_bool(image, topic.config, context_.config, topic_config::kUncleanElection),
      .now_ms = context_.now.wall_ms};
  rules_.emplace(topic.id, rules);
  return rules;
}

std::optional<PartitionImage> PartitionChanges::settle(const TopicImage& topic, PartitionIndex index,
                                                       PartitionImage wanted, SettleOptions options) {
  const PartitionImage& before = topic.partitions[static_cast<size_t>(index.value())];
  std::optional<PartitionImage> after = metadata::settle(before, std::move(wanted), rules(topic), options);
  if (after) put(topic, index, *after);
  return after;
}

void PartitionChanges::put(const TopicImage& topic, PartitionIndex index, PartitionImage state) {
  ENSURE(!full());
  put_unbounded(topic, index, std::move(state));
}

void PartitionChanges::put_unbounded(const TopicImage& topic, PartitionIndex index, PartitionImage state) {
  ENSURE(changed_.emplace(topic.id, index).second);
  add(records_, PartitionChangeRecord{topic.id, index, std::move(state)});
}

bool PartitionChanges::depart(const std::set<BrokerId>& brokers, BrokerId lost) {
  const auto is_concerned = [&](const PartitionImage& partition) {
    return brokers.contains(partition.leader) ||
           std::any_of(partition.isr.begin(), partition.isr.end(), [&](BrokerId id) { return brokers.contains(id); }) ||
           (lost != kNoBroker && holds(partition.elr, lost));
  };
  return for_each_of(state_, brokers, [&](const TopicImage& topic, PartitionIndex index, const PartitionImage& now) {
    if (!is_concerned(now) || changed(topic, index)) return true;
    PartitionImage wanted = now;
    if (lost != kNoBroker) remove_lost(wanted, lost);
    const std::optional<PartitionImage> after = metadata::settle(now, std::move(wanted), rules(topic), {.lost = lost});
    if (!after) return true;
    if (full()) return false;
    put(topic, index, *after);
    return true;
  });
}

bool PartitionChanges::elect_leaderless() {
  for (const auto& [topic_id, index] : state_.index.leaderless()) {
    const TopicImage& topic = *state_.image().find_topic(topic_id);
    if (changed(topic, index)) continue;
    const PartitionImage& now = topic.partitions[static_cast<size_t>(index.value())];
    const std::optional<PartitionImage> after = metadata::settle(now, now, rules(topic));
    if (!after || after->leader == kNoBroker) continue;
    if (full()) return false;
    put(topic, index, *after);
  }
  return true;
}

}  // namespace millrace::metadata
