#include "broker/replication/partition_config.h"

#include <algorithm>

namespace millrace::replication {
namespace {

std::shared_ptr<const ThrottledReplicas> throttled(const std::string& list) {
  if (list.empty()) return nullptr;
  auto replicas = std::make_shared<ThrottledReplicas>();
  replicas->all = list == metadata::kAllReplicas;
  if (replicas->all) return replicas;
  for (const std::string& item : split_list(list)) {
    const Result<metadata::ThrottledReplica> replica = metadata::parse_throttled_replica(item);
    if (replica) replicas->some.push_back(*replica);
  }
  std::sort(replicas->some.begin(), replicas->some.end());
  return replicas;
}

}  // namespace

PartitionConfig partition_config(const metadata::ClusterImage& image, const metadata::TopicImage& topic,
                                 const metadata::BrokerConfigView& broker) {
  namespace keys = metadata::topic_config;
  const ConfigValues values = metadata::effective_topic_config(image, topic.config, broker);
  const auto int64 = [&](std::string_view name) { return metadata::topic_config_int(values, name); };
  const auto int32 = [&](std::string_view name) { return static_cast<int32_t>(int64(name)); };
  const std::vector<std::string> policies = split_list(metadata::topic_config_text(values, keys::kCleanupPolicy));

  PartitionConfig config;
  config.min_insync_replicas = int32(keys::kMinInsyncReplicas);
  config.throttled_leaders = throttled(metadata::topic_config_text(values, keys::kLeaderThrottledReplicas));
  config.throttled_followers = throttled(metadata::topic_config_text(values, keys::kFollowerThrottledReplicas));
  config.log.segment_bytes_max = int32(keys::kSegmentBytes);
  config.log.segment_ms_max = int64(keys::kSegmentMs);
  config.log.retention_ms = int64(keys::kRetentionMs);
  config.log.retention_bytes = int64(keys::kRetentionBytes);
  config.log.file_delete_delay_ms = int64(keys::kFileDeleteDelayMs);
  config.log.index_interval_bytes = int32(keys::kIndexIntervalBytes);
  config.log.batch_bytes_max = int32(keys::kMaxMessageBytes);
  config.log.flush_messages = int64(keys::kFlushMessages);
  config.log.flush_ms = int64(keys::kFlushMs);
  config.log.timestamp_type = metadata::topic_config_text(values, keys::kTimestampType) == "LogAppendTime"
                                  ? storage::TimestampType::log_append_time
                                  : storage::TimestampType::create_time;
  config.log.timestamp_before_ms_max = int64(keys::kTimestampBeforeMaxMs);
  config.log.timestamp_after_ms_max = int64(keys::kTimestampAfterMaxMs);
  config.log.delete_old = std::find(policies.begin(), policies.end(), "delete") != policies.end();
  config.log.compact = std::find(policies.begin(), policies.end(), "compact") != policies.end();
  config.log.min_dirty_ratio = metadata::topic_config_double(values, keys::kMinCleanableDirtyRatio);
  config.log.compaction_lag_ms_min = int64(keys::kMinCompactionLagMs);
  config.log.compaction_lag_ms_max = int64(keys::kMaxCompactionLagMs);
  config.log.delete_retention_ms = int64(keys::kDeleteRetentionMs);
  return config;
}

}  // namespace millrace::replication
