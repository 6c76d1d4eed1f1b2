#include "broker/server/handlers/partition_lookup.h"

#include "broker/metadata/image_store.h"
#include "broker/metadata/topic_config.h"
#include "broker/replication/partition_manager.h"
#include "broker/server/services.h"

namespace millrace::server {

namespace {

const metadata::TopicImage* find_topic(const metadata::ClusterImage& image, std::string_view topic,
                                       const Uuid& topic_id) {
  return topic_id.is_zero() ? image.find_topic(topic) : image.find_topic(topic_id);
}

const metadata::PartitionImage* find_in(const metadata::TopicImage& topic, PartitionIndex partition) {
  const auto index = static_cast<size_t>(partition.value());
  return partition.value() < 0 || index >= topic.partitions.size() ? nullptr : &topic.partitions[index];
}

}  // namespace

PartitionLookup find_partition(const Services& services, std::string_view topic, const Uuid& topic_id,
                               PartitionIndex partition) {
  using protocol::ErrorCode;
  auto found =
      topic_id.is_zero() ? services.partitions->find(topic, partition) : services.partitions->find(topic_id, partition);
  if (found != nullptr) return {.partition = std::move(found)};
  const metadata::ImagePointer image = services.images->load();
  const metadata::TopicImage* known = find_topic(*image, topic, topic_id);
  if (known == nullptr) {
    return {.error = topic_id.is_zero() ? ErrorCode::unknown_topic_or_partition : ErrorCode::unknown_topic_id};
  }
  const metadata::PartitionImage* placed = find_in(*known, partition);
  if (placed == nullptr) return {.error = ErrorCode::unknown_topic_or_partition};
  return {.error = placed->leader == services.broker->self ? ErrorCode::kafka_storage_error
                                                           : ErrorCode::not_leader_or_follower};
}

LeaderHint leader_hint(const metadata::ClusterImage& image, std::string_view topic, const Uuid& topic_id,
                       PartitionIndex partition) {
  const metadata::TopicImage* known = find_topic(image, topic, topic_id);
  const metadata::PartitionImage* placed = known == nullptr ? nullptr : find_in(*known, partition);
  return placed == nullptr ? LeaderHint{} : LeaderHint{placed->leader, placed->leader_epoch};
}

}  // namespace millrace::server
