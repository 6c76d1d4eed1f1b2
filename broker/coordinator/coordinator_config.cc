#include "broker/coordinator/coordinator_config.h"

#include "broker/base/ensure.h"

namespace millrace::coordinator {
namespace {

int64_t read(const ConfigValues& values, std::string_view name) {
  const ConfigKey* key = find_config_key(kCoordinatorConfig, name);
  ENSURE(key != nullptr);
  return config_int(values, *key);
}

}  // namespace

GroupConfig GroupConfig::from(const ConfigValues& values) {
  GroupConfig config;
  config.group_size_max = static_cast<int32_t>(read(values, "group.max.size"));
  config.session_timeout_min_ms = static_cast<int32_t>(read(values, "group.min.session.timeout.ms"));
  config.session_timeout_max_ms = static_cast<int32_t>(read(values, "group.max.session.timeout.ms"));
  config.initial_rebalance_delay = std::chrono::milliseconds(read(values, "group.initial.rebalance.delay.ms"));
  config.offset_metadata_bytes_max = static_cast<int32_t>(read(values, "offset.metadata.max.bytes"));
  config.commit_timeout = std::chrono::milliseconds(read(values, "offsets.commit.timeout.ms"));
  config.offsets_retention_ms = read(values, "offsets.retention.minutes") * 60'000;
  config.retention_check_interval = std::chrono::milliseconds(read(values, "offsets.retention.check.interval.ms"));
  return config;
}

}  // namespace millrace::coordinator
