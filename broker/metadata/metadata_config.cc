#include "broker/metadata/metadata_config.h"

namespace millrace::metadata {
namespace {

constexpr std::string_view kUnlimited = "9223372036854775807";

constexpr ConfigKey broker_default(std::string_view name, ConfigType type, std::string_view fallback, int64_t min,
                                   std::string_view doc) {
  return ConfigKey{.name = name,
                   .type = type,
                   .fallback = fallback,
                   .min = min,
                   .dynamic = true,
                   .nullable = fallback.empty(),
                   .doc = doc};
}
constexpr ConfigKey one_of(std::string_view name, ConfigType type, std::string_view fallback, std::string_view valid,
                           std::string_view doc) {
  return ConfigKey{
      .name = name, .type = type, .fallback = fallback, .valid = valid, .dynamic = true, .nullable = false, .doc = doc};
}

using enum ConfigType;

constexpr std::array kTable{
    kNumPartitions,
    kDefaultReplicationFactor,
    kAutoCreateTopics,
    kDeleteTopicEnable,
    kOffsetsTopicPartitions,
    kOffsetsTopicReplicationFactor,
    kOffsetsTopicSegmentBytes,
    kBrokerSessionTimeoutMs,
    kBrokerHeartbeatIntervalMs,
    kLeaderRebalanceEnable,
    kLeaderImbalanceCheckSeconds,
    kLeaderImbalancePercentage,
    // Defaults of the topic configuration that topic_config.cc names beside each.
    one_of("log.cleanup.policy", list, "delete", "compact,delete",
           "What happens to old segments of topics: delete them, keep the newest record of each key, or both."),
    broker_default("log.cleaner.delete.retention.ms", int64, "86400000", 0,
                   "How long compacted topics keep a record without a value, which deletes its key."),
    broker_default("log.cleaner.min.compaction.lag.ms", int64, "0", 0,
                   "Shortest time that a record stays in a compacted topic as it is."),
    broker_default("log.cleaner.max.compaction.lag.ms", int64, kUnlimited, 1,
                   "Longest time that a record of a compacted topic waits for compaction."),
    ConfigKey{.name = "log.cleaner.min.cleanable.ratio",
              .type = float64,
              .fallback = "0.5",
              .min = 0,
              .max = 1,
              .dynamic = true,
              .doc = "Share of a compacted log that is not compacted yet, above which it is."},
    one_of("compression.type", string, "producer", "producer",
           "Codec of stored batches: producer keeps what the producer chose."),
    broker_default("log.segment.bytes", int32, "1073741824", 1 << 20, "Size at which a partition's segment is rolled."),
    broker_default("log.roll.ms", int64, "", 1, "Age at which a segment is rolled; null: log.roll.hours."),
    broker_default("log.roll.hours", int32, "168", 1, "Age at which a segment is rolled, in hours."),
    broker_default("log.retention.ms", int64, "", -1,
                   "Age at which records are deleted, -1: never; null: log.retention.minutes."),
    broker_default("log.retention.minutes", int32, "", -1,
                   "Age at which records are deleted, in minutes; null: log.retention.hours."),
    broker_default("log.retention.hours", int32, "168", -1, "Age at which records are deleted, in hours, -1: never."),
    broker_default("log.retention.bytes", int64, "-1", -1,
                   "Size of a partition above which its oldest segments are deleted, -1: none."),
    broker_default("log.segment.delete.delay.ms", int64, "60000", 0,
                   "Time between taking a segment out of its log and deleting the file."),
    broker_default("log.index.interval.bytes", int32, "4096", 0, "Bytes of log between two entries of its indexes."),
    broker_default("message.max.bytes", int32, "1048588", 0, "Largest record batch that is accepted."),
    broker_default("log.flush.interval.messages", int64, kUnlimited, 1,
                   "Records after which a partition is flushed to disk before they are acknowledged."),
    broker_default("log.flush.interval.ms", int64, kUnlimited, 0,
                   "Longest time that a record stays in memory before its partition is flushed to disk."),
    one_of("log.message.timestamp.type", string, "CreateTime", "CreateTime,LogAppendTime",
           "Whether a record's time is the producer's or that of its append."),
    broker_default("log.message.timestamp.before.max.ms", int64, kUnlimited, 0,
                   "How far a producer's timestamp may lie before the broker's time."),
    broker_default("log.message.timestamp.after.max.ms", int64, "3600000", 0,
                   "How far a producer's timestamp may lie after the broker's time."),
    broker_default("min.insync.replicas", int32, "1", 1,
                   "In-sync replicas without which a write with acks=all is refused."),
    ConfigKey{.name = "unclean.leader.election.enable",
              .type = boolean,
              .fallback = "false",
              .dynamic = true,
              .doc = "Whether a replica that may lack records leads when no other one can: they are lost."},
};

}  // namespace

std::span<const ConfigKey> metadata_config() { return kTable; }

}  // namespace millrace::metadata
