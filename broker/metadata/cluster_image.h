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
};

struct BrokerImage {
  BrokerId id;
  int64_t epoch = -1;  // offset of its registration in the metadata log
  Uuid incarnation;
  Uuid directory_id;
  std::vector<ListenerEndpoint> listeners;
  std::string rack;  // "": none
  bool fenced = true;
};

struct PartitionImage {
  BrokerId leader = kNoBroker;
  LeaderEpoch leader_epoch{0};
  int32_t partition_epoch = 0;
  std::vector<BrokerId> replicas;
  std::vector<BrokerId> isr;
};

struct TopicImage {
  Uuid id;
  std::string name;
  std::vector<PartitionImage> partitions;  // by index
  ConfigValues config;                     // what was set on the topic, normalized
};

// The cluster as of one offset of the metadata log. Immutable once published and shared by pointer: readers take no
// lock. Topics are shared between successive images, so a change copies the maps of pointers and the topics it touches.
class ClusterImage {
 public:
  using Topics = std::map<std::string, std::shared_ptr<const TopicImage>, std::less<>>;

  Offset applied{-1};  // last record of the metadata log that is in it
  std::string cluster_id;
  BrokerId controller = kNoBroker;
  std::map<BrokerId, BrokerImage> brokers;
  Topics topics;  // by name, so sorted as DescribeTopicPartitions wants
  std::map<Uuid, std::shared_ptr<const TopicImage>> topics_by_id;  // the same objects
  ConfigValues cluster_config;                                     // dynamic defaults of all brokers
  std::map<BrokerId, ConfigValues> broker_config;                  // dynamic, per broker
  int64_t next_producer_id = 0;

  const TopicImage* find_topic(std::string_view name) const;
  const TopicImage* find_topic(const Uuid& id) const;
  const PartitionImage* find_partition(std::string_view topic, PartitionIndex index) const;
};

}  // namespace millrace::metadata
