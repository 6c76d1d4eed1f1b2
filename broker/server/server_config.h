#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>

#include "broker/base/config_table.h"

namespace millrace::server {

// Keys of the network and request side of a node. Dynamic ones are none: they are fixed while the broker runs.
inline constexpr std::array kServerConfig{
    ConfigKey{.name = "socket.request.max.bytes",
              .type = ConfigType::int32,
              .fallback = "104857600",
              .min = 1,
              .max = INT32_MAX,
              .doc = "Largest request, in bytes; a larger one closes its connection."},
    ConfigKey{.name = "queued.max.request.bytes",
              .type = ConfigType::int64,
              .fallback = "268435456",
              .min = 1 << 20,
              .doc =
                  "Bytes that requests in progress and replies not yet taken by clients may hold, of all connections "
                  "together; above it no more requests are read until some of it is free."},
    ConfigKey{.name = "connections.max.idle.ms",
              .type = ConfigType::int64,
              .fallback = "600000",
              .min = 1,
              .doc = "A connection that sends nothing for this long is closed."},
    ConfigKey{
        .name = "max.connections",
        .type = ConfigType::int32,
        .fallback = "2147483647",
        .min = 0,
        .max = INT32_MAX,
        .doc = "Most connections at a time, of all listeners together. Further ones are closed at once and counted, so "
               "that their clients see it and try again; they are not left waiting."},
    ConfigKey{.name = "max.connections.per.ip",
              .type = ConfigType::int32,
              .fallback = "2147483647",
              .min = 0,
              .max = INT32_MAX,
              .doc = "Most connections at a time from one address; further ones are closed at once."},
    ConfigKey{.name = "num.network.threads",
              .type = ConfigType::int32,
              .fallback = "0",
              .min = 0,
              .max = 256,
              .doc = "Reactor threads, each serving its connections from socket to log; 0: one per core."},
    ConfigKey{.name = "fetch.max.bytes",
              .type = ConfigType::int32,
              .fallback = "57671680",
              .min = 1024,
              .max = INT32_MAX,
              .doc = "Most record bytes in one Fetch reply, whatever the client asks for."},
    ConfigKey{.name = "max.incremental.fetch.session.cache.slots",
              .type = ConfigType::int32,
              .fallback = "1000",
              .min = 0,
              .max = INT32_MAX,
              .doc = "Fetch sessions kept."},
    ConfigKey{.name = "replica.selector.class",
              .type = ConfigType::string,
              .fallback = "",
              .valid = "org.apache.kafka.common.replica.LeaderSelector,"
                       "org.apache.kafka.common.replica.RackAwareReplicaSelector",
              .doc = "Whom the leader sends consumers to; empty: nobody, as with LeaderSelector. "
                     "RackAwareReplicaSelector: those that name their rack (client.rack) to an in-sync replica there, "
                     "if there is one (KIP-392)."},
};

// The same, typed. A value.
struct ServerConfig {
  int32_t request_bytes_max = 104'857'600;
  int64_t queued_bytes_max = 268'435'456;
  std::chrono::milliseconds idle_max{600'000};
  int32_t connections_max = INT32_MAX;
  int32_t connections_per_ip_max = INT32_MAX;
  int32_t reactors = 0;
  int32_t fetch_bytes_max = 57'671'680;
  int32_t fetch_sessions_max = 1000;
  bool selects_by_rack = false;  // replica.selector.class

  // `values` were normalized against kServerConfig; absent ones take their defaults.
  static ServerConfig from(const ConfigValues& values);
};

}  // namespace millrace::server
