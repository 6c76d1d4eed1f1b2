#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/config_table.h"
#include "broker/metadata/cluster_image.h"

namespace millrace::metadata {

// Names of the topic configurations that have an effect; values of effective_topic_config() are read with them.
namespace topic_config {
inline constexpr std::string_view kCleanupPolicy = "cleanup.policy";
inline constexpr std::string_view kCompressionType = "compression.type";
inline constexpr std::string_view kDeleteRetentionMs = "delete.retention.ms";
inline constexpr std::string_view kFileDeleteDelayMs = "file.delete.delay.ms";
inline constexpr std::string_view kFlushMessages = "flush.messages";
inline constexpr std::string_view kFlushMs = "flush.ms";
inline constexpr std::string_view kFollowerThrottledReplicas = "follower.replication.throttled.replicas";
inline constexpr std::string_view kIndexIntervalBytes = "index.interval.bytes";
inline constexpr std::string_view kLeaderThrottledReplicas = "leader.replication.throttled.replicas";
inline constexpr std::string_view kMaxCompactionLagMs = "max.compaction.lag.ms";
inline constexpr std::string_view kMaxMessageBytes = "max.message.bytes";
inline constexpr std::string_view kTimestampAfterMaxMs = "message.timestamp.after.max.ms";
inline constexpr std::string_view kTimestampBeforeMaxMs = "message.timestamp.before.max.ms";
inline constexpr std::string_view kTimestampType = "message.timestamp.type";
inline constexpr std::string_view kMinCleanableDirtyRatio = "min.cleanable.dirty.ratio";
inline constexpr std::string_view kMinCompactionLagMs = "min.compaction.lag.ms";
inline constexpr std::string_view kMinInsyncReplicas = "min.insync.replicas";
inline constexpr std::string_view kRetentionBytes = "retention.bytes";
inline constexpr std::string_view kRetentionMs = "retention.ms";
inline constexpr std::string_view kSegmentBytes = "segment.bytes";
inline constexpr std::string_view kSegmentMs = "segment.ms";
inline constexpr std::string_view kUncleanElection = "unclean.leader.election.enable";
}  // namespace topic_config

// A broker key that gives a topic key its default, in the order of precedence: log.retention.ms, then .minutes (times
// 60,000), then .hours.
struct BrokerSynonym {
  std::string_view name;
  int64_t factor = 1;
};

struct TopicConfigKey {
  ConfigKey key;
  std::array<BrokerSynonym, 3> synonyms{};  // the first empty name ends it
  std::string_view only;                    // the only value available now; "": any valid one
  std::string_view why_only;                // why others are refused
};

// Every topic configuration that has an effect now.
std::span<const TopicConfigKey> topic_config_table();
const TopicConfigKey* find_topic_config(std::string_view name);

// One replica, as kLeaderThrottledReplicas and kFollowerThrottledReplicas name them; "*" names all of a topic.
struct ThrottledReplica {
  PartitionIndex partition;
  BrokerId broker;
  friend auto operator<=>(const ThrottledReplica&, const ThrottledReplica&) = default;
};
inline constexpr std::string_view kAllReplicas = "*";
Result<ThrottledReplica> parse_throttled_replica(std::string_view text);  // "partition:broker", else invalid_config

// The value in canonical form, or invalid_config: not a value of that key, a key of Kafka's that is not available
// (says which feature is missing), or an unknown key (names the nearest one).
Result<std::string> normalize_topic_config(std::string_view name, std::string_view text);
// What holds of a topic's values together: invalid_config, naming those that contradict each other.
Status check_topic_config(const ConfigValues& overrides);

// Kafka's wire values of DescribeConfigs.
enum class ConfigSource : int8_t {
  topic = 1,
  broker = 2,          // dynamic, this broker
  default_broker = 3,  // dynamic, all brokers
  static_broker = 4,   // file or command line
  fallback = 5,        // built in
};

struct ConfigSynonymValue {
  std::string name;
  std::optional<std::string> value;
  ConfigSource source = ConfigSource::fallback;
};

struct EffectiveConfig {
  std::string name;
  std::optional<std::string> value;
  ConfigSource source = ConfigSource::fallback;
  ConfigType type = ConfigType::string;
  bool read_only = false;
  std::string_view doc;
  std::vector<ConfigSynonymValue> synonyms;  // what gave or would give the value, highest precedence first
};

// What a broker's configuration is made of: the keys it knows (all folders' tables), what the file and command line
// say (normalized), and which broker it is. Borrowed; outlives what it is given to.
struct BrokerConfigView {
  std::span<const ConfigKey> keys;
  const ConfigValues* static_values = nullptr;
  BrokerId self = kNoBroker;
};

// Effective values of a topic's every key: topic override, then dynamic configuration of this broker, then dynamic
// default of all brokers, then static configuration, then built in. Complete: each key of the table has a value; read
// them with topic_config_int() and the like.
ConfigValues effective_topic_config(const ClusterImage& image, const ConfigValues& overrides,
                                    const BrokerConfigView& broker);
// One of them, without the others: for decisions that go through many topics.
std::string effective_topic_value(const ClusterImage& image, const ConfigValues& overrides,
                                  const BrokerConfigView& broker, std::string_view name);
bool effective_topic_bool(const ClusterImage& image, const ConfigValues& overrides, const BrokerConfigView& broker,
                          std::string_view name);
// The controller's view decides, so min.insync.replicas in the static configuration must be the same on all brokers.
int32_t effective_min_insync(const ClusterImage& image, const TopicImage& topic, const BrokerConfigView& broker);
int64_t topic_config_int(const ConfigValues& effective, std::string_view name);
double topic_config_double(const ConfigValues& effective, std::string_view name);
const std::string& topic_config_text(const ConfigValues& effective, std::string_view name);

// The same with sources and synonyms, for DescribeConfigs; in order of the table.
std::vector<EffectiveConfig> describe_topic_config(const ClusterImage& image, const ConfigValues& overrides,
                                                   const BrokerConfigView& broker);

// One key of a broker: dynamic, dynamic default, static, built in.
EffectiveConfig describe_broker_config(const ClusterImage& image, const ConfigKey& key, const BrokerConfigView& broker);
std::string effective_broker_config(const ClusterImage& image, const ConfigKey& key, const BrokerConfigView& broker);
int64_t effective_broker_int(const ClusterImage& image, const ConfigKey& key, const BrokerConfigView& broker);

}  // namespace millrace::metadata
