#include <nlohmann/json.hpp>

#include "operator/desired/desired.h"
#include "operator/desired/metadata.h"
#include "operator/desired/names.h"

namespace millrace::desired {

namespace {

Json service(const api::KafkaCluster& cluster, const std::string& name, Json ports) {
  return {{"apiVersion", "v1"},
          {"kind", "Service"},
          {"metadata", owned_metadata(cluster, name)},
          {"spec", {{"selector", selector(cluster.name)}, {"ports", std::move(ports)}}}};
}

Json listener_ports(const api::KafkaCluster& cluster) {
  Json ports = Json::array();
  for (const api::ListenerSpec& listener : cluster.listeners) {
    ports.push_back({{"name", "tcp-" + listener.name},
                     {"port", listener.port},
                     {"targetPort", listener.name},
                     {"protocol", "TCP"}});
  }
  return ports;
}

kube::Object with_template(const api::KafkaCluster& cluster, Json made) {
  if (cluster.merged_over.service) made = merged(std::move(made), cluster.merged_over.service->json());
  return kube::Object(std::move(made));
}

}  // namespace

// Gives every broker a name of its own, also before it is ready: brokers find each other by it.
kube::Object headless_service(const api::KafkaCluster& cluster) {
  Json ports = listener_ports(cluster);
  ports.push_back({{"name", "tcp-" + std::string(kRpcPortName)},
                   {"port", kRpcPort},
                   {"targetPort", std::string(kRpcPortName)},
                   {"protocol", "TCP"}});
  ports.push_back({{"name", std::string(kHttpPortName)},
                   {"port", kHttpPort},
                   {"targetPort", std::string(kHttpPortName)},
                   {"protocol", "TCP"}});
  Json made = service(cluster, headless_service_name(cluster.name), std::move(ports));
  made["spec"]["clusterIP"] = "None";
  made["spec"]["publishNotReadyAddresses"] = true;
  return kube::Object(std::move(made));
}

kube::Object bootstrap_service(const api::KafkaCluster& cluster) {
  Json made = service(cluster, bootstrap_service_name(cluster.name), listener_ports(cluster));
  made["spec"]["type"] = "ClusterIP";
  return with_template(cluster, std::move(made));
}

}  // namespace millrace::desired
