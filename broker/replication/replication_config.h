#pragma once

#include <array>

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

inline constexpr std::array kReplicationConfig{kRetentionCheckIntervalMs, kRecoveryCheckpointIntervalMs,
                                               kLogStartCheckpointIntervalMs};

}  // namespace millrace::replication
