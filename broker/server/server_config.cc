#include "broker/server/server_config.h"

#include "broker/base/ensure.h"

namespace millrace::server {
namespace {

const ConfigKey& key(std::string_view name) {
  const ConfigKey* found = find_config_key(kServerConfig, name);
  ENSURE(found != nullptr);
  return *found;
}

}  // namespace

ServerConfig ServerConfig::from(const ConfigValues& values) {
  const auto number = [&](std::string_view name) { return config_int(values, key(name)); };
  const auto small = [&](std::string_view name) { return static_cast<int32_t>(number(name)); };
  return {
      .request_bytes_max = small("socket.request.max.bytes"),
      .queued_bytes_max = number("queued.max.request.bytes"),
      .idle_max = std::chrono::milliseconds(number("connections.max.idle.ms")),
      .connections_max = small("max.connections"),
      .connections_per_ip_max = small("max.connections.per.ip"),
      .reactors = small("num.network.threads"),
      .fetch_bytes_max = small("fetch.max.bytes"),
      .fetch_sessions_max = small("max.incremental.fetch.session.cache.slots"),
      .selects_by_rack = config_string(values, key("replica.selector.class")).ends_with(".RackAwareReplicaSelector"),
  };
}

}  // namespace millrace::server
