#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/base/uuid.h"
#include "broker/metadata/broker_commands.h"
#include "broker/metadata/cluster_image.h"
#include "broker/metadata/partition_commands.h"

namespace millrace::metadata {

// What the controller is asked and what it answers, as values. Errors are per item; server/error_map.cc makes wire
// codes of them. Those of brokers and of single partitions: broker_commands.h, partition_commands.h.

// ---- topics
inline constexpr int32_t kPartitionsPerCommandMax = 10'000;  // created by one command, so that its records fit a batch
inline constexpr int32_t kDefaultCount = -1;  // Kafka's "take the broker's default" for partitions and replicas

struct NewTopic {
  std::string name;
  int32_t partitions = kDefaultCount;
  int32_t replication_factor = kDefaultCount;
  // Manual placement, partition by partition; then both counts must be -1. Empty: automatic.
  std::vector<std::pair<PartitionIndex, std::vector<BrokerId>>> assignments;
  std::vector<std::pair<std::string, std::optional<std::string>>> config;
};
struct CreateTopics {
  std::vector<NewTopic> topics;
  bool validate_only = false;
};
struct CreatedTopic {
  std::string name;
  Uuid id;  // zero with validate_only
  int32_t partitions = 0;
  int32_t replication_factor = 0;
  ConfigValues config;  // what was set; effective_topic_config() tells the rest
};
struct CreateTopicsReply {
  std::vector<std::pair<std::string, Result<CreatedTopic>>> topics;  // in request order, a duplicated name once
};

struct DeleteTopics {
  std::vector<std::variant<std::string, Uuid>> topics;
};
struct DeletedTopic {
  std::string name;
  Uuid id;
};
struct DeleteTopicsReply {
  std::vector<Result<DeletedTopic>> topics;  // one for each item asked, in order
};

struct GrowTopic {
  std::string name;
  int32_t count = 0;                                              // the new total
  std::optional<std::vector<std::vector<BrokerId>>> assignments;  // of the added partitions
};
struct CreatePartitions {
  std::vector<GrowTopic> topics;
  bool validate_only = false;
};
struct CreatePartitionsReply {
  std::vector<std::pair<std::string, Status>> topics;  // in request order, a duplicated name once
};

// ---- configuration
enum class ConfigResourceType : int8_t { topic = 2, broker = 4 };
struct ConfigResource {
  int8_t type = 0;   // as on the wire; others than ConfigResourceType are refused
  std::string name;  // topic, broker id, or "" for the default of all brokers
  friend auto operator<=>(const ConfigResource&, const ConfigResource&) = default;
};
enum class ConfigOperation : int8_t { set = 0, remove = 1, append = 2, subtract = 3 };
struct ConfigChange {
  std::string name;
  int8_t operation = 0;  // as on the wire
  std::optional<std::string> value;
};
struct AlterConfigs {
  struct Item {
    ConfigResource resource;
    std::vector<ConfigChange> changes;
  };
  std::vector<Item> resources;
  bool replace = false;  // legacy AlterConfigs: the changes (all of them set) become the whole configuration
  bool validate_only = false;
};
struct AlterConfigsReply {
  std::vector<std::pair<ConfigResource, Status>> resources;  // in request order
};

// ---- producer ids
inline constexpr int64_t kProducerIdBlock = 1000;
struct AllocateProducerIds {
  BrokerId broker;
};
struct ProducerIdBlock {
  ProducerId first;
  int64_t count = 0;
};

}  // namespace millrace::metadata
