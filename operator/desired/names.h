#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "operator/api/kafka_cluster.h"
#include "operator/kube/object.h"

// The names that users, dashboards and scripts rely on, declared once.
namespace millrace::desired {

inline constexpr std::string_view kClusterLabel = "millrace.dev/cluster";
inline constexpr std::string_view kComponentLabel = "millrace.dev/component";
inline constexpr std::string_view kBroker = "broker";
inline constexpr std::string_view kPodIndexLabel = "apps.kubernetes.io/pod-index";
// What a pod's template and configuration were when it was made: a pod whose hash differs from its set's is outdated.
inline constexpr std::string_view kTemplateHash = "millrace.dev/template-hash";
// Whose data it is: on the ConfigMap, and on claims, which may outlive the KafkaCluster.
inline constexpr std::string_view kClusterIdAnnotation = "millrace.dev/cluster-id";
inline constexpr std::string_view kContainer = "kafka";
inline constexpr std::string_view kDataVolume = "data";
inline constexpr std::string_view kConfigVolume = "config";
inline constexpr std::string_view kConfigFile = "broker.yaml";
inline constexpr std::string_view kHttpPortName = "tcp-prometheus";
inline constexpr uint16_t kHttpPort = 9404;
inline constexpr std::string_view kRpcPortName = "rpc";  // between brokers, and from the operator
inline constexpr uint16_t kRpcPort = 9091;

inline std::string stateful_set_name(std::string_view cluster) { return std::string(cluster) + "-kafka"; }
inline std::string bootstrap_service_name(std::string_view cluster) {
  return std::string(cluster) + "-kafka-bootstrap";
}
inline std::string headless_service_name(std::string_view cluster) { return std::string(cluster) + "-kafka-brokers"; }
inline std::string config_map_name(std::string_view cluster) { return std::string(cluster) + "-kafka-config"; }
inline std::string pod_name(std::string_view cluster, int32_t ordinal) {
  return stateful_set_name(cluster) + "-" + std::to_string(ordinal);
}

// The name by which other pods reach a broker's pod.
inline std::string pod_host(const api::KafkaCluster& cluster, int32_t ordinal) {
  return pod_name(cluster.name, ordinal) + "." + headless_service_name(cluster.name) + "." + cluster.name_space +
         ".svc";
}

// The labels that select the cluster's brokers.
inline kube::Labels selector(std::string_view cluster) {
  return {{std::string(kClusterLabel), std::string(cluster)}, {std::string(kComponentLabel), std::string(kBroker)}};
}

}  // namespace millrace::desired
