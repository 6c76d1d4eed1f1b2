#include "broker/metadata/replica_index.h"

namespace millrace::metadata {

ReplicaIndex::ReplicaIndex(const ClusterImage& image) {
  for (const auto& [name, topic] : image.topics()) {
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      add(topic->id, PartitionIndex{static_cast<int32_t>(i)}, topic->partitions[i]);
    }
  }
}

void ReplicaIndex::apply(const ClusterImage& before, const MetadataRecord& record) {
  if (const auto* made = std::get_if<PartitionRecord>(&record)) {
    add(made->topic, made->index, made->state);
  } else if (const auto* changed = std::get_if<PartitionChangeRecord>(&record)) {
    const TopicImage* topic = before.find_topic(changed->topic);
    ENSURE(topic != nullptr && static_cast<size_t>(changed->index.value()) < topic->partitions.size());
    const PartitionImage& old = topic->partitions[static_cast<size_t>(changed->index.value())];
    remove(changed->topic, changed->index, old);
    add(changed->topic, changed->index, changed->state);
  } else if (const auto* removed = std::get_if<RemoveTopicRecord>(&record)) {
    const TopicImage* topic = before.find_topic(removed->id);
    ENSURE(topic != nullptr);
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      remove(topic->id, PartitionIndex{static_cast<int32_t>(i)}, topic->partitions[i]);
    }
  } else if (std::holds_alternative<RegisterBrokerRecord>(record) ||
             std::holds_alternative<FenceBrokerRecord>(record) || std::holds_alternative<ConfigRecord>(record)) {
    ++election_causes_;
  }
}

ReplicaIndex::Counts ReplicaIndex::counts(BrokerId id) const {
  const auto found = brokers_.find(id);
  return found == brokers_.end() ? Counts{} : found->second.counts;
}

const std::map<Uuid, int32_t>& ReplicaIndex::topics(BrokerId id) const {
  static const std::map<Uuid, int32_t> kNone;
  const auto found = brokers_.find(id);
  return found == brokers_.end() ? kNone : found->second.topics;
}

void ReplicaIndex::add(const Uuid& topic, PartitionIndex index, const PartitionImage& state) {
  ++partitions_;
  for (const BrokerId id : state.replicas) {
    OfBroker& broker = brokers_[id];
    ++broker.counts.replicas;
    ++broker.topics[topic];
  }
  for (const BrokerId id : state.isr) ++brokers_[id].counts.in_sync;
  if (state.leader != kNoBroker) {
    ++brokers_[state.leader].counts.leaders;
  } else {
    leaderless_.emplace(topic, index);
    ++election_causes_;
  }
}

void ReplicaIndex::remove(const Uuid& topic, PartitionIndex index, const PartitionImage& state) {
  --partitions_;
  for (const BrokerId id : state.isr) --brokers_[id].counts.in_sync;
  for (const BrokerId id : state.replicas) {
    OfBroker& broker = brokers_[id];
    --broker.counts.replicas;
    const auto of_topic = broker.topics.find(topic);
    if (--of_topic->second == 0) broker.topics.erase(of_topic);
  }
  if (state.leader != kNoBroker) {
    --brokers_[state.leader].counts.leaders;
  } else {
    leaderless_.erase({topic, index});
  }
}

}  // namespace millrace::metadata
