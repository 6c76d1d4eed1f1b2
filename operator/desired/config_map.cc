#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "operator/api/yaml_json.h"
#include "operator/desired/desired.h"
#include "operator/desired/metadata.h"
#include "operator/desired/names.h"

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

}  // namespace

bool is_reserved_property(std::string_view name) {
  return std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end() ||
         std::find(kReservedOurs.begin(), kReservedOurs.end(), name) != kReservedOurs.end();
}

std::string broker_yaml(const api::KafkaCluster& cluster) {
  Json properties = Json::object();
  for (const auto& [name, value] : cluster.config) properties[name] = value;
  std::string map;
  for (const api::ListenerSpec& listener : cluster.listeners) {
    map += (map.empty() ? "" : ",") + variable_part(listener.name) + ":PLAINTEXT";
  }
  properties["listener.security.protocol.map"] = map;
  return api::to_yaml(properties);
}

kube::Object config_map(const api::KafkaCluster& cluster) {
  return kube::Object(Json{{"apiVersion", "v1"},
                           {"kind", "ConfigMap"},
                           {"metadata", owned_metadata(cluster, config_map_name(cluster.name))},
                           {"data", {{std::string(kConfigFile), broker_yaml(cluster)}}}});
}

}  // namespace millrace::desired
