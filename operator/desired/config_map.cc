#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "operator/api/yaml_json.h"
#include "operator/desired/desired.h"
#include "operator/desired/metadata.h"
#include "operator/desired/names.h"
#include "operator/desired/quorum.h"

namespace millrace::desired {

namespace {

// They differ between brokers or follow from other fields of the specification.
constexpr std::array<std::string_view, 12> kReserved{"node.id",
                                                     "broker.id",
                                                     "process.roles",
                                                     "listeners",
                                                     "broker.rack",
                                                     "advertised.listeners",
                                                     "log.dir",
                                                     "log.dirs",
                                                     "listener.security.protocol.map",
                                                     "controller.quorum.voters",
                                                     "inter.broker.listener.name",
                                                     "metadata.log.dir"};
constexpr std::array<std::string_view, 4> kReservedOurs{"millrace.rpc.listener", "millrace.rpc.advertised.listener",
                                                        "millrace.http.listener", "millrace.cluster.id"};

constexpr int32_t kReplicasByDefault = 3;
constexpr int32_t kInSyncByDefault = 2;  // of three replicas: one may be away without a write being refused

// What the specification leaves open.
void add_defaults(int32_t brokers, Json& properties) {
  const auto leave_or_set = [&](const char* name, int32_t value) {
    if (!properties.contains(name)) properties[name] = std::to_string(value);
  };
  const int32_t replicas = std::min(brokers, kReplicasByDefault);
  leave_or_set("default.replication.factor", replicas);
  leave_or_set("offsets.topic.replication.factor", replicas);
  leave_or_set("min.insync.replicas", replicas < kReplicasByDefault ? 1 : kInSyncByDefault);
}

}  // namespace

bool is_reserved_property(std::string_view name) {
  return std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end() ||
         std::find(kReservedOurs.begin(), kReservedOurs.end(), name) != kReservedOurs.end();
}

std::string broker_yaml(const api::KafkaCluster& cluster, const std::string& cluster_id) {
  Json properties = Json::object();
  for (const auto& [name, value] : cluster.config) properties[name] = value;
  std::string map;
  for (const api::ListenerSpec& listener : cluster.listeners) {
    map += (map.empty() ? "" : ",") + variable_part(listener.name) + ":PLAINTEXT";
  }
  properties["listener.security.protocol.map"] = map;
  properties["controller.quorum.voters"] = quorum_voters(cluster);
  properties["millrace.cluster.id"] = cluster_id;
  add_defaults(cluster.replicas, properties);
  return api::to_yaml(properties);
}

kube::Object config_map(const api::KafkaCluster& cluster, const std::string& cluster_id) {
  Json metadata = owned_metadata(cluster, config_map_name(cluster.name));
  metadata["annotations"][std::string(kClusterIdAnnotation)] = cluster_id;
  return kube::Object(Json{{"apiVersion", "v1"},
                           {"kind", "ConfigMap"},
                           {"metadata", std::move(metadata)},
                           {"data", {{std::string(kConfigFile), broker_yaml(cluster, cluster_id)}}}});
}

}  // namespace millrace::desired
