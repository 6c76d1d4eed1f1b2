#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "broker/base/bytes.h"
#include "broker/base/clock.h"
#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/base/uuid.h"
#include "broker/metadata/cluster_image.h"

namespace millrace::metadata {

// Values of the metadata log's records. The bytes (broker/README.md#metadata-log): int16 type, int16 version, then the
// fields in this order, big-endian; a text is uint32 length and bytes, a list uint32 count and items, a nullable a byte
// 0 or 1 before its value. Numbers of types are for ever. Written in the newest version (kVersion; 0 without it); older
// ones are read, what they lack has its default.
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
  static constexpr int16_t kVersion = 1;
  BrokerId id;
  int64_t epoch = -1;  // -1: this record's own offset, as older builds wrote it
  Uuid incarnation;
  Uuid directory_id;
  std::string rack;
  bool fenced = true;
  std::vector<ListenerEndpoint> listeners;
  // Since version 1:
  RpcEndpoint rpc;
  FeatureRanges features;
  bool in_controlled_shutdown = false;
  Timestamp state_since_ms = kNoTimestamp;
  std::vector<Uuid> former_incarnations;
  friend bool operator==(const RegisterBrokerRecord&, const RegisterBrokerRecord&) = default;
};
struct UnregisterBrokerRecord {
  static constexpr int16_t kType = 4;
  BrokerId id;
  friend bool operator==(const UnregisterBrokerRecord&, const UnregisterBrokerRecord&) = default;
};
struct FenceBrokerRecord {
  static constexpr int16_t kType = 5;
  static constexpr int16_t kVersion = 1;
  BrokerId id;
  bool fenced = true;
  // Since version 1:
  bool in_controlled_shutdown = false;
  Timestamp state_since_ms = kNoTimestamp;
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
  static constexpr int16_t kVersion = 1;
  Uuid topic;
  PartitionIndex index;
  PartitionImage state;
  friend bool operator==(const PartitionRecord&, const PartitionRecord&) = default;
};
struct PartitionChangeRecord {  // replaces the state of one that exists
  static constexpr int16_t kType = 8;
  static constexpr int16_t kVersion = 1;
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

struct StopPermitRecord {  // granted, or granted for longer
  static constexpr int16_t kType = 12;
  BrokerId id;
  StopPermit permit;
  friend bool operator==(const StopPermitRecord&, const StopPermitRecord&) = default;
};
struct StopPermitEndRecord {  // released or expired
  static constexpr int16_t kType = 13;
  BrokerId id;
  friend bool operator==(const StopPermitEndRecord&, const StopPermitEndRecord&) = default;
};
struct VotersRecord {  // all of them
  static constexpr int16_t kType = 14;
  std::vector<VoterImage> voters;
  friend bool operator==(const VotersRecord&, const VotersRecord&) = default;
};
struct DecommissionRecord {
  static constexpr int16_t kType = 15;
  BrokerId id;
  Timestamp since_ms = kNoTimestamp;  // none: it ends, the broker takes replicas again
  int32_t moves_max = 0;
  friend bool operator==(const DecommissionRecord&, const DecommissionRecord&) = default;
};
// min.insync.replicas of the topic changed: who was eligible by the former value may not be, so nobody is, and each
// partition's epoch counts it, so that no leader that does not know of it yet can change an in-sync set.
struct MinInsyncChangedRecord {
  static constexpr int16_t kType = 16;
  Uuid topic;  // zero: all topics
  friend bool operator==(const MinInsyncChangedRecord&, const MinInsyncChangedRecord&) = default;
};

using MetadataRecord = std::variant<ClusterRecord, FeatureRecord, RegisterBrokerRecord, UnregisterBrokerRecord,
                                    FenceBrokerRecord, TopicRecord, PartitionRecord, PartitionChangeRecord,
                                    RemoveTopicRecord, ConfigRecord, ProducerIdsRecord, StopPermitRecord,
                                    StopPermitEndRecord, VotersRecord, DecommissionRecord, MinInsyncChangedRecord>;

Bytes encode(const MetadataRecord& record);

// malformed: truncated, trailing bytes, lengths beyond the record, impossible values; unsupported_version: a type or
// version this build does not know.
Result<MetadataRecord> decode_record(BytesView bytes);

}  // namespace millrace::metadata
