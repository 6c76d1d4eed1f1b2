#pragma once

#include <array>
#include <span>

#include "broker/base/config_table.h"

namespace millrace::app {

// Keys of the process itself: who it is, where it listens, where its data lies. None is dynamic.
inline constexpr ConfigKey kNodeId{.name = "node.id",
                                   .type = ConfigType::int32,
                                   .fallback = "0",
                                   .min = 0,
                                   .doc = "Which broker of its cluster this is."};
inline constexpr ConfigKey kListeners{
    .name = "listeners",
    .type = ConfigType::list,
    .fallback = "PLAINTEXT://127.0.0.1:9092",
    .doc = "Addresses that clients connect to, as NAME://HOST:PORT; port 0 takes any free one."};
inline constexpr ConfigKey kAdvertisedListeners{
    .name = "advertised.listeners",
    .type = ConfigType::list,
    .fallback = "",
    .doc = "Addresses that clients are told to connect to; those of listeners where empty."};
inline constexpr ConfigKey kListenerProtocols{
    .name = "listener.security.protocol.map",
    .type = ConfigType::list,
    .fallback = "PLAINTEXT:PLAINTEXT",
    .doc = "NAME:PROTOCOL of each listener; PLAINTEXT is the only protocol there is so far."};
inline constexpr ConfigKey kLogDirs{.name = "log.dirs",
                                    .type = ConfigType::string,
                                    .fallback = "./millrace-data",
                                    .doc = "The data directory; exactly one. --data-dir sets it, too."};
inline constexpr ConfigKey kRack{.name = "broker.rack",
                                 .type = ConfigType::string,
                                 .fallback = "",
                                 .nullable = true,
                                 .doc = "The failure domain this broker is in."};
inline constexpr ConfigKey kHttpListener{
    .name = "millrace.http.listener",
    .type = ConfigType::string,
    .fallback = "127.0.0.1:9404",
    .doc = "HOST:PORT of /metrics, /healthz, /readyz and /version; port 0 takes any free one."};
inline constexpr ConfigKey kClusterId{
    .name = "millrace.cluster.id",
    .type = ConfigType::string,
    .fallback = "",
    .doc = "The cluster that the data must belong to; empty: that of the data directory, or a new one."};

inline constexpr ConfigKey kQuorumVoters{
    .name = "controller.quorum.voters",
    .type = ConfigType::list,
    .fallback = "",
    .doc =
        "The brokers that begin the cluster's metadata quorum, as ID@HOST:RPCPORT, the same on every broker; empty: "
        "this broker alone."};
inline constexpr ConfigKey kRpcListener{
    .name = "millrace.rpc.listener",
    .type = ConfigType::string,
    .fallback = "127.0.0.1:9091",
    .doc = "HOST:PORT that other brokers and operators connect to (gRPC); port 0 takes any free one."};
inline constexpr ConfigKey kRpcAdvertised{
    .name = "millrace.rpc.advertised.listener",
    .type = ConfigType::string,
    .fallback = "",
    .doc =
        "HOST:PORT that other brokers are told; empty: this broker's entry in controller.quorum.voters, or the "
        "listener itself."};
inline constexpr ConfigKey kControlledShutdownMs{
    .name = "millrace.controlled.shutdown.timeout.ms",
    .type = ConfigType::int32,
    .fallback = "10000",
    .min = 0,
    .doc = "How long a broker that stops waits until others lead what it leads."};

inline constexpr std::array kAppConfig{kNodeId,       kListeners,   kAdvertisedListeners, kListenerProtocols,
                                       kLogDirs,      kRack,        kHttpListener,        kClusterId,
                                       kQuorumVoters, kRpcListener, kRpcAdvertised,       kControlledShutdownMs};

// The keys of every folder, sorted by name.
std::span<const ConfigKey> all_config_keys();

// A property of Apache Kafka's broker that has no meaning here: taken with a warning.
bool is_kafka_only_property(std::string_view name);

}  // namespace millrace::app
