#pragma once

#include <algorithm>
#include <array>
#include <chrono>

#include "broker/base/clock.h"
#include "broker/base/config_table.h"

namespace millrace::replication {

// Keys of a node for the background care of its partitions. What applies to single topics is in
// metadata/topic_config.h.
inline constexpr ConfigKey kRetentionCheckIntervalMs{
    .name = "log.retention.check.interval.ms",
    .type = ConfigType::int64,
    .fallback = "300000",
    .min = 1,
    .doc = "How often logs are searched for segments to roll by age and to delete by retention."};
inline constexpr ConfigKey kRecoveryCheckpointIntervalMs{
    .name = "log.flush.offset.checkpoint.interval.ms",
    .type = ConfigType::int32,
    .fallback = "60000",
    .min = 1,
    .max = INT32_MAX,
    .doc =
        "How often the offsets up to which logs are flushed are written down: what lies above is scanned after a "
        "crash."};
inline constexpr ConfigKey kLogStartCheckpointIntervalMs{
    .name = "log.flush.start.offset.checkpoint.interval.ms",
    .type = ConfigType::int32,
    .fallback = "60000",
    .min = 1,
    .max = INT32_MAX,
    .doc = "How often the start offsets of logs are written down."};

inline constexpr ConfigKey kHighWatermarkCheckpointIntervalMs{
    .name = "replica.high.watermark.checkpoint.interval.ms",
    .type = ConfigType::int64,
    .fallback = "5000",
    .min = 1,
    .doc = "How often the high watermarks of replicated partitions are written down."};
inline constexpr ConfigKey kReplicaLagTimeMaxMs{
    .name = "replica.lag.time.max.ms",
    .type = ConfigType::int64,
    .fallback = "30000",
    .min = 1,
    .doc = "A replica that has not had all of its leader's records for this long leaves the in-sync set."};
inline constexpr ConfigKey kCatchUpBytesPerSecond{
    .name = "millrace.replication.catch.up.max.bytes.per.second",
    .type = ConfigType::float64,
    .fallback = "1.7976931348623157E308",
    .min = 1,
    .dynamic = true,
    .doc = "A leader sends replicas that are behind no more than this, all of them together; new records come on top."};
inline constexpr ConfigKey kLeaderThrottledRate{
    .name = "leader.replication.throttled.rate",
    .type = ConfigType::int64,
    .fallback = "9223372036854775807",
    .min = 1,
    .dynamic = true,
    .doc =
        "Bytes a second that this broker sends to replicas which are behind, of the partitions that topics name in "
        "leader.replication.throttled.replicas, all of them together."};
inline constexpr ConfigKey kFollowerThrottledRate{
    .name = "follower.replication.throttled.rate",
    .type = ConfigType::int64,
    .fallback = "9223372036854775807",
    .min = 1,
    .dynamic = true,
    .doc =
        "Bytes a second that this broker takes from leaders while it is not in sync, of the partitions that topics "
        "name in follower.replication.throttled.replicas, all of them together."};

inline constexpr ConfigKey kCleanerEnable{
    .name = "log.cleaner.enable",
    .type = ConfigType::boolean,
    .fallback = "true",
    .doc = "Whether topics with cleanup.policy=compact, and with them __consumer_offsets, are compacted."};
inline constexpr ConfigKey kCleanerBackoffMs{.name = "log.cleaner.backoff.ms",
                                             .type = ConfigType::int64,
                                             .fallback = "15000",
                                             .min = 1,
                                             .doc =
                                                 "How long after there was nothing to compact logs are looked at "
                                                 "again."};
inline constexpr ConfigKey kCleanerDedupeBufferSize{.name = "log.cleaner.dedupe.buffer.size",
                                                    .type = ConfigType::int64,
                                                    .fallback = "134217728",
                                                    .min = 1 << 20,
                                                    .doc =
                                                        "Memory for the keys of one pass of compaction: 30 bytes for "
                                                        "each record that is not compacted yet, up to this."};
inline constexpr ConfigKey kCleanerIoBytesPerSecond{.name = "log.cleaner.io.max.bytes.per.second",
                                                    .type = ConfigType::float64,
                                                    .fallback = "1.7976931348623157E308",
                                                    .min = 1,
                                                    .doc = "Compaction reads and writes no faster than this."};

inline constexpr std::array kReplicationConfig{kRetentionCheckIntervalMs,
                                               kRecoveryCheckpointIntervalMs,
                                               kLogStartCheckpointIntervalMs,
                                               kHighWatermarkCheckpointIntervalMs,
                                               kReplicaLagTimeMaxMs,
                                               kCatchUpBytesPerSecond,
                                               kLeaderThrottledRate,
                                               kFollowerThrottledRate,
                                               kCleanerEnable,
                                               kCleanerBackoffMs,
                                               kCleanerDedupeBufferSize,
                                               kCleanerIoBytesPerSecond};

// After how long without having caught up a member leaves the in-sync set. Kafka has the first alone, because its
// leaders do not know whether a follower is there.
struct LagLimits {
  static constexpr int kSessionsWithoutStream = 2;
  Duration following = std::chrono::seconds(30);     // replica.lag.time.max.ms
  Duration not_following = std::chrono::seconds(4);  // on no stream: not reached, whatever the controller hears of it

  static LagLimits from(const ConfigValues& values, Duration session) {
    const auto following = std::chrono::milliseconds(config_int(values, kReplicaLagTimeMaxMs));
    return {.following = following, .not_following = std::min<Duration>(following, kSessionsWithoutStream * session)};
  }
};

}  // namespace millrace::replication
