#include "broker/metadata/cluster_image.h"

#include <algorithm>

namespace millrace::metadata {

const ListenerEndpoint* BrokerImage::endpoint(std::string_view listener) const {
  const auto found = std::find_if(listeners.begin(), listeners.end(),
                                  [&](const ListenerEndpoint& each) { return each.listener == listener; });
  return found == listeners.end() ? nullptr : &*found;
}

const TopicImage* ClusterImage::find_topic(std::string_view name) const {
  const auto found = topics_->find(name);
  return found == topics_->end() ? nullptr : found->second.get();
}

const TopicImage* ClusterImage::find_topic(const Uuid& id) const {
  const auto found = topics_by_id_->find(id);
  return found == topics_by_id_->end() ? nullptr : found->second.get();
}

const PartitionImage* ClusterImage::find_partition(std::string_view topic, PartitionIndex index) const {
  const TopicImage* image = find_topic(topic);
  if (image == nullptr || index.value() < 0 || static_cast<size_t>(index.value()) >= image->partitions.size()) {
    return nullptr;
  }
  return &image->partitions[static_cast<size_t>(index.value())];
}

const BrokerImage* ClusterImage::find_broker(BrokerId id) const {
  const auto found = brokers.find(id);
  return found == brokers.end() ? nullptr : &found->second;
}

std::vector<BrokerId> ClusterImage::alive_brokers() const {
  std::vector<BrokerId> alive;
  for (const auto& [id, broker] : brokers) {
    if (!broker.fenced) alive.push_back(id);
  }
  return alive;
}

size_t ClusterImage::placeable_brokers() const {
  return static_cast<size_t>(
      std::count_if(brokers.begin(), brokers.end(), [](const auto& each) { return each.second.takes_replicas(); }));
}

bool operator==(const ClusterImage& a, const ClusterImage& b) {
  const auto same_topic = [](const auto& one, const auto& other) {
    return one.first == other.first && (one.second == other.second || *one.second == *other.second);
  };
  return a.applied == b.applied && a.cluster_id == b.cluster_id && a.controller == b.controller &&
         a.features == b.features && a.brokers == b.brokers && a.cluster_config == b.cluster_config &&
         a.broker_config == b.broker_config && a.permits == b.permits && a.voters == b.voters &&
         a.next_producer_id == b.next_producer_id &&
         std::equal(a.topics_->begin(), a.topics_->end(), b.topics_->begin(), b.topics_->end(), same_topic) &&
         std::equal(a.topics_by_id_->begin(), a.topics_by_id_->end(), b.topics_by_id_->begin(), b.topics_by_id_->end(),
                    same_topic);
}

bool is_internal_topic(std::string_view name) { return name == kOffsetsTopic || name == kTransactionsTopic; }

std::vector<TopicChange> TopicChanges::between(const ClusterImage& before, const ClusterImage& now) {
  std::vector<TopicChange> changes;
  if (before.topics_ == now.topics_) return changes;
  auto old = before.topics_->begin();
  auto next = now.topics_->begin();
  while (old != before.topics_->end() || next != now.topics_->end()) {
    const bool only_old = next == now.topics_->end() || (old != before.topics_->end() && old->first < next->first);
    const bool only_new = old == before.topics_->end() || (next != now.topics_->end() && next->first < old->first);
    if (only_old) {
      changes.push_back({(old++)->second, nullptr});
    } else if (only_new) {
      changes.push_back({nullptr, (next++)->second});
    } else {
      if (old->second->id != next->second->id) {
        changes.push_back({old->second, nullptr});
        changes.push_back({nullptr, next->second});
      } else if (old->second != next->second) {
        changes.push_back({old->second, next->second});
      }
      ++old;
      ++next;
    }
  }
  return changes;
}

bool broker_config_differs(const ClusterImage& before, const ClusterImage& now, BrokerId broker) {
  if (before.cluster_config != now.cluster_config) return true;
  static const ConfigValues kNone;
  const auto of = [&](const ClusterImage& image) -> const ConfigValues& {
    const auto found = image.broker_config.find(broker);
    return found == image.broker_config.end() ? kNone : found->second;
  };
  return of(before) != of(now);
}

}  // namespace millrace::metadata
