#include "broker/metadata/topic_config.h"

#include <algorithm>
#include <charconv>

namespace millrace::metadata {
namespace {

using enum ConfigType;
using namespace topic_config;

constexpr int64_t kMsPerMinute = 60'000;
constexpr int64_t kMsPerHour = 3'600'000;
constexpr std::string_view kUnlimited = "9223372036854775807";

constexpr ConfigKey number(std::string_view name, ConfigType type, std::string_view fallback, int64_t min,
                           std::string_view doc) {
  return ConfigKey{.name = name, .type = type, .fallback = fallback, .min = min, .dynamic = true, .doc = doc};
}
constexpr ConfigKey one_of(std::string_view name, ConfigType type, std::string_view fallback, std::string_view valid,
                           std::string_view doc) {
  return ConfigKey{.name = name, .type = type, .fallback = fallback, .valid = valid, .dynamic = true, .doc = doc};
}

// Sorted by name, as DescribeConfigs shows it.
constexpr std::array kTable{
    TopicConfigKey{
        .key = one_of(kCleanupPolicy, list, "delete", "compact,delete",
                      "What happens to old segments: delete them, keep the newest record of each key, or both."),
        .synonyms = {{{"log.cleanup.policy"}}}},
    TopicConfigKey{.key = one_of(kCompressionType, string, "producer", "uncompressed,zstd,lz4,snappy,gzip,producer",
                                 "Codec of stored batches: producer keeps what the producer chose."),
                   .synonyms = {{{"compression.type"}}},
                   .only = "producer",
                   .why_only = "batches are stored as their producers compressed them"},
    TopicConfigKey{.key = number(kDeleteRetentionMs, int64, "86400000", 0,
                                 "How long a compacted topic keeps a record without a value, which deletes its key."),
                   .synonyms = {{{"log.cleaner.delete.retention.ms"}}}},
    TopicConfigKey{.key = number(kFileDeleteDelayMs, int64, "60000", 0,
                                 "Time between taking a segment out of its log and deleting the file."),
                   .synonyms = {{{"log.segment.delete.delay.ms"}}}},
    TopicConfigKey{.key = number(kFlushMessages, int64, kUnlimited, 1,
                                 "Records after which the partition is flushed to disk before they are acknowledged."),
                   .synonyms = {{{"log.flush.interval.messages"}}}},
    TopicConfigKey{.key = number(kFlushMs, int64, kUnlimited, 0,
                                 "Longest time that a record stays in memory before it is flushed to disk."),
                   .synonyms = {{{"log.flush.interval.ms"}}}},
    TopicConfigKey{.key =
                       one_of(kFollowerThrottledReplicas, list, "", "",
                              "Replicas, as partition:broker or * for all, that follow no faster than their broker's "
                              "follower.replication.throttled.rate while they are not in sync.")},
    TopicConfigKey{
        .key = number(kIndexIntervalBytes, int32, "4096", 0, "Bytes of log between two entries of its indexes."),
        .synonyms = {{{"log.index.interval.bytes"}}}},
    TopicConfigKey{.key =
                       one_of(kLeaderThrottledReplicas, list, "", "",
                              "Replicas, as partition:broker or * for all, that send records to those who are behind "
                              "no faster than their broker's leader.replication.throttled.rate while they lead.")},
    TopicConfigKey{.key = number(kMaxCompactionLagMs, int64, kUnlimited, 1,
                                 "Longest time that a record of a compacted topic waits for compaction."),
                   .synonyms = {{{"log.cleaner.max.compaction.lag.ms"}}}},
    TopicConfigKey{.key = number(kMaxMessageBytes, int32, "1048588", 0, "Largest record batch that is accepted."),
                   .synonyms = {{{"message.max.bytes"}}}},
    TopicConfigKey{.key = number(kTimestampAfterMaxMs, int64, "3600000", 0,
                                 "How far a producer's timestamp may lie after the broker's time."),
                   .synonyms = {{{"log.message.timestamp.after.max.ms"}}}},
    TopicConfigKey{.key = number(kTimestampBeforeMaxMs, int64, kUnlimited, 0,
                                 "How far a producer's timestamp may lie before the broker's time."),
                   .synonyms = {{{"log.message.timestamp.before.max.ms"}}}},
    TopicConfigKey{.key = one_of(kTimestampType, string, "CreateTime", "CreateTime,LogAppendTime",
                                 "Whether a record's time is the producer's or that of its append."),
                   .synonyms = {{{"log.message.timestamp.type"}}}},
    TopicConfigKey{.key = ConfigKey{.name = kMinCleanableDirtyRatio,
                                    .type = float64,
                                    .fallback = "0.5",
                                    .min = 0,
                                    .max = 1,
                                    .dynamic = true,
                                    .doc = "Share of a compacted log that is not compacted yet, above which it is."},
                   .synonyms = {{{"log.cleaner.min.cleanable.ratio"}}}},
    TopicConfigKey{.key = number(kMinCompactionLagMs, int64, "0", 0,
                                 "Shortest time that a record stays in a compacted topic as it is."),
                   .synonyms = {{{"log.cleaner.min.compaction.lag.ms"}}}},
    TopicConfigKey{.key = number(kMinInsyncReplicas, int32, "1", 1,
                                 "In-sync replicas without which a write with acks=all is refused."),
                   .synonyms = {{{"min.insync.replicas"}}}},
    TopicConfigKey{.key = number(kRetentionBytes, int64, "-1", -1,
                                 "Size of a partition above which its oldest segments are deleted, -1: none."),
                   .synonyms = {{{"log.retention.bytes"}}}},
    TopicConfigKey{.key = number(kRetentionMs, int64, "604800000", -1, "Age at which records are deleted, -1: never."),
                   .synonyms = {{{"log.retention.ms"},
                                 {"log.retention.minutes", kMsPerMinute},
                                 {"log.retention.hours", kMsPerHour}}}},
    TopicConfigKey{.key = number(kSegmentBytes, int32, "1073741824", 1 << 20, "Size at which a segment is rolled."),
                   .synonyms = {{{"log.segment.bytes"}}}},
    TopicConfigKey{.key = number(kSegmentMs, int64, "604800000", 1, "Age at which a segment is rolled."),
                   .synonyms = {{{"log.roll.ms"}, {"log.roll.hours", kMsPerHour}}}},
    TopicConfigKey{
        .key = ConfigKey{.name = kUncleanElection,
                         .type = boolean,
                         .fallback = "false",
                         .dynamic = true,
                         .doc = "Whether a replica that may lack records leads when no other one can: they are lost."},
        .synonyms = {{{"unclean.leader.election.enable"}}}},
};

// Topic configurations of Kafka's that would have no effect here, and what they belong to. Refused: a setting that is
// taken and ignored misleads.
struct Unavailable {
  std::string_view name;
  std::string_view feature;
};
constexpr std::string_view kTiering = "tiered storage";
constexpr std::string_view kRecompression = "recompression by the broker";
constexpr std::array kUnavailable{
    Unavailable{"compression.gzip.level", kRecompression},
    Unavailable{"compression.lz4.level", kRecompression},
    Unavailable{"compression.zstd.level", kRecompression},
    Unavailable{"errors.deadletterqueue.group.enable", "a dead-letter queue"},
    Unavailable{"local.retention.bytes", kTiering},
    Unavailable{"local.retention.ms", kTiering},
    Unavailable{"max.decompressed.message.bytes", "a limit of decompressed sizes per topic"},
    Unavailable{"preallocate", "preallocation of segment files"},
    Unavailable{"remote.copy.lag.bytes", kTiering},
    Unavailable{"remote.copy.lag.ms", kTiering},
    Unavailable{"remote.log.copy.disable", kTiering},
    Unavailable{"remote.log.delete.on.disable", kTiering},
    Unavailable{"remote.storage.enable", kTiering},
    Unavailable{"segment.index.bytes", "a limit of index sizes"},
    Unavailable{"segment.jitter.ms", "jitter of segment rolls"},
};

std::string_view nearest(std::string_view name) {
  std::vector<ConfigKey> keys;
  for (const TopicConfigKey& each : kTable) keys.push_back(each.key);
  return nearest_config_name(keys, name);
}

}  // namespace

std::span<const TopicConfigKey> topic_config_table() { return kTable; }

const TopicConfigKey* find_topic_config(std::string_view name) {
  const auto found =
      std::find_if(kTable.begin(), kTable.end(), [&](const TopicConfigKey& each) { return each.key.name == name; });
  return found == kTable.end() ? nullptr : &*found;
}

Result<ThrottledReplica> parse_throttled_replica(std::string_view text) {
  const Error wrong{Errc::invalid_config, "'" + std::string(text) + "' is no replica: partition:broker, or * alone"};
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return wrong;
  const auto number = [](std::string_view digits) -> std::optional<int32_t> {
    int32_t value = -1;
    const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (failure != std::errc{} || end != digits.data() + digits.size() || value < 0) return std::nullopt;
    return value;
  };
  const auto partition = number(text.substr(0, colon)), broker = number(text.substr(colon + 1));
  if (!partition || !broker) return wrong;
  return ThrottledReplica{PartitionIndex{*partition}, BrokerId{*broker}};
}

Result<std::string> normalize_topic_config(std::string_view name, std::string_view text) {
  const TopicConfigKey* key = find_topic_config(name);
  if (key == nullptr) {
    for (const Unavailable& each : kUnavailable) {
      if (each.name == name) {
        return Error{Errc::invalid_config,
                     std::string(name) + " belongs to " + std::string(each.feature) + ", which is not available"};
      }
    }
    std::string words = "there is no topic configuration " + std::string(name);
    if (const std::string_view near = nearest(name); !near.empty())
      words += "; did you mean " + std::string(near) + "?";
    return Error{Errc::invalid_config, std::move(words)};
  }
  TRY_ASSIGN(std::string value, normalize_config(key->key, text));
  if (!key->only.empty() && value != key->only) {
    return Error{Errc::invalid_config,
                 std::string(name) + " can only be '" + std::string(key->only) + "': " + std::string(key->why_only)};
  }
  if (name == kLeaderThrottledReplicas || name == kFollowerThrottledReplicas) {
    if (value == kAllReplicas) return value;
    for (const std::string& replica : split_list(value)) TRY(parse_throttled_replica(replica));
    return value;
  }
  if (key->key.type == list && value.empty()) {
    return Error{Errc::invalid_config, std::string(name) + " needs one of '" + std::string(key->key.valid) + "'"};
  }
  return value;
}

Status check_topic_config(const ConfigValues& overrides) {
  const int64_t min_lag = topic_config_int(overrides, kMinCompactionLagMs);
  const int64_t max_lag = topic_config_int(overrides, kMaxCompactionLagMs);
  if (min_lag <= max_lag) return ok();
  return Error{Errc::invalid_config, std::string(kMinCompactionLagMs) + " (" + std::to_string(min_lag) +
                                         ") is larger than " + std::string(kMaxCompactionLagMs) + " (" +
                                         std::to_string(max_lag) + ")"};
}

}  // namespace millrace::metadata
