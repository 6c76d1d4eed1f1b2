// Which fields of a KafkaCluster have no effect where pods are processes of this machine.

#include <array>
#include <nlohmann/json.hpp>

#include "operator/desired/names.h"
#include "operator/plan/cluster_plan.h"

namespace millrace::plan {

namespace {

using kube::Json;

// The parts of spec.template.pod that operator/local acts on, by the rules of operator/README.md; "[]" is every item of
// a list. What is not in it has no effect there.
const Json& parts_used_locally() {
  static const Json parts = Json::parse(R"({
    "metadata": {"labels": true, "annotations": true},
    "spec": {
      "terminationGracePeriodSeconds": true,
      "containers": {"[]": {
        "name": true, "command": true, "args": true,
        "env": {"[]": {"name": true, "value": true, "valueFrom": {"fieldRef": {"fieldPath": true, "apiVersion": true}}}},
        "ports": {"[]": {"name": true, "containerPort": true}},
        "volumeMounts": {"[]": {"name": true, "mountPath": true}},
        "readinessProbe": {"httpGet": {"path": true, "port": true}, "periodSeconds": true, "failureThreshold": true}
      }},
      "volumes": {"[]": {"name": true, "configMap": {"name": true}, "persistentVolumeClaim": {"claimName": true},
                         "emptyDir": {}}}
    }})");
  return parts;
}

class PartsWithoutEffect {
 public:
  explicit PartsWithoutEffect(std::vector<std::string>& found) : found_(found) {}

  void walk(const Json& given, const Json& used, const std::string& at) {
    if (used.is_boolean()) return;
    if (given.is_array()) return walk_list(given, used, at);
    if (!given.is_object()) return;
    for (const auto& [name, value] : given.items()) {
      const std::string below = std::string(at).append(".").append(name);
      if (!used.contains(name) || !has_local_form(name, value)) {
        found_.push_back(below);
      } else {
        walk(value, used[name], below);
      }
    }
  }

 private:
  void walk_list(const Json& given, const Json& used, const std::string& at) {
    for (size_t i = 0; i < given.size(); ++i) {
      const std::string name = given[i].is_object() ? given[i].value("name", "") : "";
      const std::string below = at + "[" + (name.empty() ? std::to_string(i) : name) + "]";
      if (at.ends_with(".containers") && name != desired::kContainer) {  // one process a pod
        found_.push_back(below);
      } else {
        walk(given[i], used["[]"], below);
      }
    }
  }

  static bool has_local_form(const std::string& name, const Json& value) {
    if (name == "fieldPath" && value.is_string()) {
      const auto path = value.get<std::string>();
      return path == "metadata.name" || path == "metadata.namespace" || path.starts_with("metadata.labels['");
    }
    // A number may be another process's: pods keep the numbers they were given, not those they asked for.
    return name != "port" || value.is_string();
  }

  std::vector<std::string>& found_;
};

void add_storage(const api::KafkaCluster& cluster, std::vector<std::string>& found) {
  const bool has_claims = cluster.storage.type == api::StorageType::persistent_claim;
  if (!cluster.storage.size.empty()) found.emplace_back("spec.storage.size");
  if (!cluster.storage.storage_class.empty()) found.emplace_back("spec.storage.class");
  if (cluster.storage.delete_claim && !has_claims) found.emplace_back("spec.storage.deleteClaim");
}

}  // namespace

std::vector<std::string> ignored_locally(const api::KafkaCluster& cluster) {
  std::vector<std::string> found;
  if (!cluster.image.empty()) found.emplace_back("spec.image");
  add_storage(cluster, found);
  for (const api::ListenerSpec& listener : cluster.listeners) {
    if (listener.type != "internal") found.push_back("spec.listeners[" + listener.name + "].type");
  }
  if (cluster.resources) found.emplace_back("spec.resources");
  if (cluster.rack) found.emplace_back("spec.rack");
  if (cluster.autoscaling) found.emplace_back("spec.autoscaling");
  const api::Template& given = cluster.merged_over;
  if (given.pod) PartsWithoutEffect(found).walk(given.pod->json(), parts_used_locally(), "spec.template.pod");
  if (given.service && !given.service->json().empty()) found.emplace_back("spec.template.service");
  return found;
}

}  // namespace millrace::plan
