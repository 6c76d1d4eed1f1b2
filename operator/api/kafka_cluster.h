#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "broker/base/result.h"
#include "operator/api/condition.h"
#include "operator/kube/object.h"

// KafkaCluster as crds/kafkaclusters.yaml describes it, typed. Each struct names its members for readers and writers
// once more in visit_fields(); the structured binding there counts them, and a test compares them with the schema in
// both directions, so that neither can have a field that the other lacks.
namespace millrace::api {

using Config = std::map<std::string, std::string>;
using Quantities = std::map<std::string, std::string>;

enum class StorageType : uint8_t { ephemeral, persistent_claim };

struct Storage {
  StorageType type = StorageType::ephemeral;
  std::string size;
  std::string storage_class;
  bool delete_claim = false;
};
template <class Visitor, SameBut<Storage> S>
void visit_fields(Visitor& visit, S& storage) {
  auto& [type, size, storage_class, delete_claim] = storage;
  visit("type", type), visit("size", size), visit("class", storage_class), visit("deleteClaim", delete_claim);
}

struct ListenerSpec {
  std::string name;
  uint16_t port = 0;
  std::string type;
  bool tls = false;
};
template <class Visitor, SameBut<ListenerSpec> S>
void visit_fields(Visitor& visit, S& listener) {
  auto& [name, port, type, tls] = listener;
  visit("name", name), visit("port", port), visit("type", type), visit("tls", tls);
}

struct Resources {
  Quantities requests;
  Quantities limits;
};
template <class Visitor, SameBut<Resources> S>
void visit_fields(Visitor& visit, S& resources) {
  auto& [requests, limits] = resources;
  visit("requests", requests), visit("limits", limits);
}

struct Rack {
  std::string topology_key;
};
template <class Visitor, SameBut<Rack> S>
void visit_fields(Visitor& visit, S& rack) {
  auto& [topology_key] = rack;
  visit("topologyKey", topology_key);
}

struct Autoscaling {
  std::string mode;
  std::optional<int32_t> min_replicas;
  std::optional<int32_t> max_replicas;
};
template <class Visitor, SameBut<Autoscaling> S>
void visit_fields(Visitor& visit, S& autoscaling) {
  auto& [mode, min_replicas, max_replicas] = autoscaling;
  visit("mode", mode), visit("minReplicas", min_replicas), visit("maxReplicas", max_replicas);
}

struct Metrics {
  bool strimzi_compatible = false;
};
template <class Visitor, SameBut<Metrics> S>
void visit_fields(Visitor& visit, S& metrics) {
  auto& [strimzi_compatible] = metrics;
  visit("strimziCompatible", strimzi_compatible);
}

struct Template {
  std::optional<kube::Object> pod;  // a PodTemplateSpec
  std::optional<kube::Object> service;
};
template <class Visitor, SameBut<Template> S>
void visit_fields(Visitor& visit, S& given) {
  auto& [pod, service] = given;
  visit("pod", pod), visit("service", service);
}

struct KafkaClusterSpec {
  int32_t replicas = 1;
  std::string version;
  std::string image;
  Storage storage;
  std::vector<ListenerSpec> listeners;
  Config config;
  std::optional<Resources> resources;
  std::optional<Rack> rack;
  std::optional<Autoscaling> autoscaling;
  Metrics metrics;
  Template merged_over;  // what the operator makes
};
template <class Visitor, SameBut<KafkaClusterSpec> S>
void visit_fields(Visitor& visit, S& spec) {
  auto& [replicas, version, image, storage, listeners, config, resources, rack, autoscaling, metrics, merged_over] =
      spec;
  visit("replicas", replicas), visit("version", version), visit("image", image), visit("storage", storage);
  visit("listeners", listeners), visit("config", config), visit("resources", resources), visit("rack", rack);
  visit("autoscaling", autoscaling), visit("metrics", metrics), visit("template", merged_over);
}

struct KafkaCluster : KafkaClusterSpec {
  kube::Object object;
  std::string name_space;
  std::string name;
  std::string uid;
  int64_t generation = 0;
  bool is_deleting = false;

  // invalid_argument when it breaks its schema or rules; its status is not looked at.
  static Result<KafkaCluster> from(const kube::Object& object);
};

}  // namespace millrace::api
