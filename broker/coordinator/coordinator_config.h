#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "broker/base/config_table.h"

namespace millrace::coordinator {

inline constexpr std::array kCoordinatorConfig{
    ConfigKey{.name = "group.max.size",
              .type = ConfigType::int32,
              .fallback = "2147483647",
              .min = 1,
              .max = INT32_MAX,
              .doc = "Most members of one group; one more is refused."},
    ConfigKey{.name = "group.min.session.timeout.ms",
              .type = ConfigType::int32,
              .fallback = "6000",
              .min = 1,
              .max = INT32_MAX,
              .doc = "Shortest session timeout that a member may ask for."},
    ConfigKey{.name = "group.max.session.timeout.ms",
              .type = ConfigType::int32,
              .fallback = "1800000",
              .min = 1,
              .max = INT32_MAX,
              .doc = "Longest session timeout that a member may ask for."},
    ConfigKey{.name = "group.initial.rebalance.delay.ms",
              .type = ConfigType::int32,
              .fallback = "3000",
              .min = 0,
              .max = INT32_MAX,
              .doc = "How long an empty group waits for more members after the first one; each that comes extends it."},
    ConfigKey{.name = "offset.metadata.max.bytes",
              .type = ConfigType::int32,
              .fallback = "4096",
              .min = 0,
              .max = INT16_MAX,
              .doc = "Longest text that may be stored with a committed offset."},
    ConfigKey{
        .name = "offsets.commit.timeout.ms",
        .type = ConfigType::int32,
        .fallback = "5000",
        .min = 1,
        .max = INT32_MAX,
        .doc = "How long an answer waits for its write to __consumer_offsets; after it the client is told to retry."},
    ConfigKey{.name = "offsets.retention.minutes",
              .type = ConfigType::int32,
              .fallback = "10080",
              .min = 1,
              .max = INT32_MAX,
              .doc = "How long offsets are kept after their group lost its last member, or without one, their commit."},
    ConfigKey{.name = "offsets.retention.check.interval.ms",
              .type = ConfigType::int64,
              .fallback = "600000",
              .min = 1,
              .max = INT32_MAX,
              .doc = "How often expired offsets are looked for."},
};

// The same, typed. A value.
struct GroupConfig {
  int32_t group_size_max = INT32_MAX;
  int32_t session_timeout_min_ms = 6'000;
  int32_t session_timeout_max_ms = 1'800'000;
  std::chrono::milliseconds initial_rebalance_delay{3'000};
  int32_t offset_metadata_bytes_max = 4'096;
  std::chrono::milliseconds commit_timeout{5'000};
  int64_t offsets_retention_ms = int64_t{10'080} * 60'000;
  std::chrono::milliseconds retention_check_interval{600'000};

  // `values` were normalized against kCoordinatorConfig; absent ones take their defaults.
  static GroupConfig from(const ConfigValues& values);
};

// A member that waits in its first join answers no heartbeats; it is given up after this long.
inline constexpr std::chrono::milliseconds kNewMemberJoinMax{300'000};

}  // namespace millrace::coordinator
