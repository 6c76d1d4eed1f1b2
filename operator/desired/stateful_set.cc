#include <nlohmann/json.hpp>

#include "operator/desired/desired.h"
#include "operator/desired/metadata.h"
#include "operator/desired/names.h"

namespace millrace::desired {

namespace {

constexpr std::string_view kConfigPath = "/etc/millrace";
constexpr std::string_view kDataPath = "/var/lib/millrace";
constexpr int kGraceSeconds = 60;  // a clean stop flushes all logs

Json from_field(std::string_view name, std::string_view path) {
  return {{"name", std::string(name)}, {"valueFrom", {{"fieldRef", {{"fieldPath", std::string(path)}}}}}};
}

Json value(const std::string& name, const std::string& text) { return {{"name", name}, {"value", text}}; }

Json environment(const api::KafkaCluster& cluster) {
  Json env = Json::array();
  env.push_back(from_field("POD_NAME", "metadata.name"));
  env.push_back(from_field("POD_NAMESPACE", "metadata.namespace"));
  env.push_back(from_field("NODE_ID", "metadata.labels['apps.kubernetes.io/pod-index']"));
  env.push_back(value("LISTEN_HOST", "0.0.0.0"));
  env.push_back(
      value("ADVERTISED_HOST", "$(POD_NAME)." + headless_service_name(cluster.name) + ".$(POD_NAMESPACE).svc"));
  for (const api::ListenerSpec& listener : cluster.listeners) {
    env.push_back(value("PORT_" + variable_part(listener.name), std::to_string(listener.port)));
  }
  env.push_back(value("PORT_" + variable_part(std::string(kRpcPortName)), std::to_string(kRpcPort)));
  env.push_back(value("PORT_" + variable_part(std::string(kHttpPortName)), std::to_string(kHttpPort)));
  return env;
}

Json arguments(const api::KafkaCluster& cluster) {
  std::string listeners;
  std::string advertised;
  for (const api::ListenerSpec& listener : cluster.listeners) {
    const std::string name = variable_part(listener.name);
    const std::string separator = listeners.empty() ? "" : ",";
    listeners.append(separator).append(name).append("://$(LISTEN_HOST):$(PORT_").append(name).append(")");
    advertised.append(separator).append(name).append("://$(ADVERTISED_HOST):$(PORT_").append(name).append(")");
  }
  const std::string rpc = ":$(PORT_" + variable_part(std::string(kRpcPortName)) + ")";
  const std::string http = "$(LISTEN_HOST):$(PORT_" + variable_part(std::string(kHttpPortName)) + ")";
  return {"--config",   std::string(kConfigPath) + "/" + std::string(kConfigFile),
          "--data-dir", std::string(kDataPath),
          "--set",      "node.id=$(NODE_ID)",
          "--set",      "listeners=" + listeners,
          "--set",      "advertised.listeners=" + advertised,
          "--set",      "millrace.rpc.listener=$(LISTEN_HOST)" + rpc,
          "--set",      "millrace.rpc.advertised.listener=$(ADVERTISED_HOST)" + rpc,
          "--set",      "millrace.http.listener=" + http};
}

Json ports(const api::KafkaCluster& cluster) {
  Json result = Json::array();
  for (const api::ListenerSpec& listener : cluster.listeners) {
    result.push_back({{"name", listener.name}, {"containerPort", listener.port}, {"protocol", "TCP"}});
  }
  result.push_back({{"name", std::string(kRpcPortName)}, {"containerPort", kRpcPort}, {"protocol", "TCP"}});
  result.push_back({{"name", std::string(kHttpPortName)}, {"containerPort", kHttpPort}, {"protocol", "TCP"}});
  return result;
}

Json probe(std::string_view path, int period_seconds, int failures) {
  return {{"httpGet", {{"path", std::string(path)}, {"port", std::string(kHttpPortName)}}},
          {"periodSeconds", period_seconds},
          {"timeoutSeconds", 5},
          {"failureThreshold", failures}};
}

Json container(const api::KafkaCluster& cluster, const Defaults& defaults) {
  Json made{
      {"name", std::string(kContainer)},
      {"image", cluster.image.empty() ? defaults.image : cluster.image},
      {"command", Json::array({"millrace-broker"})},
      {"args", arguments(cluster)},
      {"env", environment(cluster)},
      {"ports", ports(cluster)},
      {"readinessProbe", probe("/readyz", 2, 2)},
      {"livenessProbe", probe("/healthz", 10, 6)},
      // The process may recover logs for long before it serves.
      {"startupProbe", probe("/healthz", 2, 300)},
      {"volumeMounts", Json::array({{{"name", std::string(kConfigVolume)}, {"mountPath", std::string(kConfigPath)}},
                                    {{"name", std::string(kDataVolume)}, {"mountPath", std::string(kDataPath)}}})},
      {"securityContext",
       {{"allowPrivilegeEscalation", false},
        {"readOnlyRootFilesystem", true},
        {"capabilities", {{"drop", Json::array({"ALL"})}}}}}};
  const Json& spec = cluster.object.json()["spec"];
  if (spec.contains("resources")) made["resources"] = spec["resources"];
  return made;
}

// FNV-1a: stable for ever, which std::hash is not; it only has to tell a change.
std::string hash_of(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string result;
  for (int shift = 60; shift >= 0; shift -= 4) result += kDigits[(hash >> shift) & 15];
  return result;
}

Json pod_template(const api::KafkaCluster& cluster, const Defaults& defaults, const std::string& cluster_id) {
  Json labels = broker_labels(cluster);
  if (cluster.metrics.strimzi_compatible) {  // dashboards made for Strimzi select by these
    labels["strimzi_io_cluster"] = cluster.name;
    labels["strimzi_io_name"] = stateful_set_name(cluster.name);
    labels["strimzi_io_kind"] = "Kafka";
    labels["strimzi_io_pool_name"] = "kafka";
    labels["strimzi_io_broker_role"] = "true";
  }
  Json volumes =
      Json::array({{{"name", std::string(kConfigVolume)}, {"configMap", {{"name", config_map_name(cluster.name)}}}}});
  if (cluster.storage.type == api::StorageType::ephemeral) {
    volumes.push_back({{"name", std::string(kDataVolume)}, {"emptyDir", Json::object()}});
  }
  Json made{{"metadata", {{"labels", std::move(labels)}, {"annotations", Json::object()}}},
            {"spec",
             {{"containers", Json::array({container(cluster, defaults)})},
              {"volumes", std::move(volumes)},
              {"terminationGracePeriodSeconds", kGraceSeconds},
              {"automountServiceAccountToken", false},
              {"enableServiceLinks", false},
              {"securityContext",
               {{"runAsNonRoot", true},
                {"runAsUser", 10001},
                {"runAsGroup", 10001},
                {"fsGroup", 10001},
                {"seccompProfile", {{"type", "RuntimeDefault"}}}}}}}};
  if (cluster.merged_over.pod) made = merged(std::move(made), cluster.merged_over.pod->json());
  made["metadata"]["annotations"][std::string(kTemplateHash)] = hash_of(made.dump() + broker_yaml(cluster, cluster_id));
  return made;
}

Json claim_template(const api::KafkaCluster& cluster, const std::string& cluster_id) {
  Json claim{{"metadata",
              {{"name", std::string(kDataVolume)},
               {"labels", selector(cluster.name)},
               {"annotations", {{std::string(kClusterIdAnnotation), cluster_id}}}}},
             {"spec",
              {{"accessModes", Json::array({"ReadWriteOnce"})},
               {"resources", {{"requests", {{"storage", cluster.storage.size}}}}}}}};
  if (!cluster.storage.storage_class.empty()) claim["spec"]["storageClassName"] = cluster.storage.storage_class;
  return claim;
}

}  // namespace

kube::Object stateful_set(const api::KafkaCluster& cluster, const Defaults& defaults, const std::string& cluster_id) {
  Json spec{{"replicas", cluster.replicas},
            {"serviceName", headless_service_name(cluster.name)},
            {"selector", {{"matchLabels", selector(cluster.name)}}},
            {"podManagementPolicy", "Parallel"},
            {"updateStrategy", {{"type", "OnDelete"}}},
            {"template", pod_template(cluster, defaults, cluster_id)}};
  if (cluster.storage.type == api::StorageType::persistent_claim) {
    spec["volumeClaimTemplates"] = Json::array({claim_template(cluster, cluster_id)});
    spec["persistentVolumeClaimRetentionPolicy"] = {{"whenDeleted", cluster.storage.delete_claim ? "Delete" : "Retain"},
                                                    {"whenScaled", "Retain"}};
  }
  return kube::Object(Json{{"apiVersion", "apps/v1"},
                           {"kind", "StatefulSet"},
                           {"metadata", owned_metadata(cluster, stateful_set_name(cluster.name))},
                           {"spec", std::move(spec)}});
}

std::string template_hash_of(const kube::Object& stateful_set) {
  return stateful_set.text_at({"spec", "template", "metadata", "annotations", kTemplateHash});
}

std::vector<kube::Object> objects_of(const api::KafkaCluster& cluster, const Defaults& defaults,
                                     const std::string& cluster_id) {
  return {config_map(cluster, cluster_id), headless_service(cluster), bootstrap_service(cluster),
          pod_disruption_budget(cluster), stateful_set(cluster, defaults, cluster_id)};
}

}  // namespace millrace::desired
