#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/config_table.h"
#include "broker/base/strong_id.h"
#include "broker/base/uuid.h"

namespace millrace::metadata {

struct ListenerEndpoint {
  std::string listener;  // name, such as PLAINTEXT
  std::string host;
  uint16_t port = 0;
  friend bool operator==(const ListenerEndpoint&, const ListenerEndpoint&) = default;
};

struct BrokerImage {
  BrokerId id;
  int64_t epoch = -1;  // offset of its registration in the metadata log
  Uuid incarnation;
  Uuid directory_id;
  std::vector<ListenerEndpoint> listeners;
  std::string rack;  // "": none
  bool fenced = true;

  const ListenerEndpoint* endpoint(std::string_view listener) const;  // null when it has none of that name
  friend bool operator==(const BrokerImage&, const BrokerImage&) = default;
};

struct PartitionImage {
  BrokerId leader = kNoBroker;
  LeaderEpoch leader_epoch{0};
  int32_t partition_epoch = 0;  // counts every change
  std::vector<BrokerId> replicas;
  std::vector<BrokerId> isr;
  friend bool operator==(const PartitionImage&, const PartitionImage&) = default;
};

struct TopicImage {
  Uuid id;
  std::string name;
  std::vector<PartitionImage> partitions;  // by index
  ConfigValues config;  // what was set on the topic, normalized; topic_config.h gives effective values
  friend bool operator==(const TopicImage&, const TopicImage&) = default;
};

using Topics = std::map<std::string, std::shared_ptr<const TopicImage>, std::less<>>;

// The cluster as of one offset of the metadata log. Immutable once published and shared by pointer: readers take no
// lock. Successive images share everything that did not change: single topics, and the maps when no topic changed.
class ClusterImage {
 public:
  Offset applied{-1};  // last record of the metadata log that is in it
  std::string cluster_id;
  BrokerId controller = kNoBroker;
  std::map<std::string, int16_t> features;  // finalized levels
  std::map<BrokerId, BrokerImage> brokers;
  ConfigValues cluster_config;                     // dynamic defaults of all brokers
  std::map<BrokerId, ConfigValues> broker_config;  // dynamic, per broker
  int64_t next_producer_id = 0;

  // By name, so sorted as DescribeTopicPartitions wants.
  const Topics& topics() const { return *topics_; }
  const TopicImage* find_topic(std::string_view name) const;
  const TopicImage* find_topic(const Uuid& id) const;
  const PartitionImage* find_partition(std::string_view topic, PartitionIndex index) const;
  const BrokerImage* find_broker(BrokerId id) const;
  std::vector<BrokerId> alive_brokers() const;  // not fenced, ascending

  // Equal content, whatever is shared.
  friend bool operator==(const ClusterImage& a, const ClusterImage& b);

 private:
  friend class ImageBuilder;
  friend class TopicChanges;
  using TopicsById = std::map<Uuid, std::shared_ptr<const TopicImage>>;
  std::shared_ptr<Topics> topics_ = std::make_shared<Topics>();
  std::shared_ptr<TopicsById> topics_by_id_ = std::make_shared<TopicsById>();  // the same objects
};

using ImagePointer = std::shared_ptr<const ClusterImage>;

// Whether clients see the topic as internal; it is made by the brokers themselves and cannot be deleted.
bool is_internal_topic(std::string_view name);
inline constexpr std::string_view kOffsetsTopic = "__consumer_offsets";
inline constexpr std::string_view kTransactionsTopic = "__transaction_state";
inline constexpr std::string_view kMetadataTopic = "__cluster_metadata";  // the log's name; never a topic of the image

// How one topic differs between two images. `before` is null for a new topic, `now` for a deleted one; a topic that was
// deleted and made again under its name comes as two changes, the deletion first.
struct TopicChange {
  std::shared_ptr<const TopicImage> before;
  std::shared_ptr<const TopicImage> now;
};

// In order of name; costs nothing when no topic changed and one pointer comparison per topic otherwise.
class TopicChanges {
 public:
  static std::vector<TopicChange> between(const ClusterImage& before, const ClusterImage& now);
};

// Whether something changed that effective topic and broker configurations of `broker` rest on (dynamic broker
// configuration); if so, every topic's may have changed.
bool broker_config_differs(const ClusterImage& before, const ClusterImage& now, BrokerId broker);

}  // namespace millrace::metadata
