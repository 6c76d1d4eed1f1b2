#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "broker/base/bytes.h"
#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/base/uuid.h"
#include "broker/metadata/cluster_image.h"

namespace millrace::metadata {

// Values of the metadata log's records. The bytes (broker/README.md#metadata-log): int16 type, int16 version, then the
// fields in this order, big-endian; a text is uint32 length and bytes, a list uint32 count and items, a nullable a byte
// 0 or 1 before its value. Numbers of types are for ever.
struct ClusterRecord {
  static constexpr int16_t kType = 1;
  std::string cluster_id;
  friend bool operator==(const ClusterRecord&, const ClusterRecord&) = default;
};
struct FeatureRecord {
  static constexpr int16_t kType = 2;
  std::string name;
  int16_t level = 0;  // 0 removes it
  friend bool operator==(const FeatureRecord&, const FeatureRecord&) = default;
};
struct RegisterBrokerRecord {
  static constexpr int16_t kType = 3;
  BrokerId id;
  int64_t epoch = -1;  // -1: this record's own offset; explicit in snapshots
  Uuid incarnation;
  Uuid directory_id;
  std::string rack;
  bool fenced = true;
  std::vector<ListenerEndpoint> listeners;
  friend bool operator==(const RegisterBrokerRecord&, const RegisterBrokerRecord&) = default;
};
struct UnregisterBrokerRecord {
  static constexpr int16_t kType = 4;
  BrokerId id;
  friend bool operator==(const UnregisterBrokerRecord&, const UnregisterBrokerRecord&) = default;
};
struct FenceBrokerRecord {
  static constexpr int16_t kType = 5;
  BrokerId id;
  bool fenced = true;
  friend bool operator==(const FenceBrokerRecord&, const FenceBrokerRecord&) = default;
};
struct TopicRecord {
  static constexpr int16_t kType = 6;
  Uuid id;
  std::string name;
  friend bool operator==(const TopicRecord&, const TopicRecord&) = default;
};
struct PartitionRecord {  // the next partition of its topic
  static constexpr int16_t kType = 7;
  Uuid topic;
  PartitionIndex index;
  PartitionImage state;
  friend bool operator==(const PartitionRecord&, const PartitionRecord&) = default;
};
struct PartitionChangeRecord {  // replaces the state of one that exists
  static constexpr int16_t kType = 8;
  Uuid topic;
  PartitionIndex index;
  PartitionImage state;
  friend bool operator==(const PartitionChangeRecord&, const PartitionChangeRecord&) = default;
};
struct RemoveTopicRecord {  // with its partitions and configuration
  static constexpr int16_t kType = 9;
  Uuid id;
  friend bool operator==(const RemoveTopicRecord&, const RemoveTopicRecord&) = default;
};
struct ConfigRecord {
  static constexpr int16_t kType = 10;
  int8_t resource_type = 0;  // 2 topic, 4 broker
  std::string resource;      // topic name, broker id, "" for all brokers
  std::string name;
  std::optional<std::string> value;  // null removes it
  friend bool operator==(const ConfigRecord&, const ConfigRecord&) = default;
};
struct ProducerIdsRecord {
  static constexpr int16_t kType = 11;
  BrokerId broker;   // that got the block
  int64_t next = 0;  // first id that no block has
  friend bool operator==(const ProducerIdsRecord&, const ProducerIdsRecord&) = default;
};

using MetadataRecord = std::variant<ClusterRecord, FeatureRecord, RegisterBrokerRecord, UnregisterBrokerRecord,
                                    FenceBrokerRecord, TopicRecord, PartitionRecord, PartitionChangeRecord,
                                    RemoveTopicRecord, ConfigRecord, ProducerIdsRecord>;

Bytes encode(const MetadataRecord& record);

// malformed: truncated, trailing bytes, lengths beyond the record, impossible values; unsupported_version: a type or
// version this build does not know.
Result<MetadataRecord> decode_record(BytesView bytes);

}  // namespace millrace::metadata
