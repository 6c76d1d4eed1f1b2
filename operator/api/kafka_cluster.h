#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/result.h"
#include "operator/kube/object.h"

namespace millrace::api {

using Config = std::map<std::string, std::string>;

enum class StorageType : uint8_t { ephemeral, persistent_claim };

struct Storage {
  StorageType type = StorageType::ephemeral;
  std::string size;
  std::string storage_class;
  bool delete_claim = false;
};

struct ListenerSpec {
  std::string name;
  uint16_t port = 0;
  std::string type;
  bool tls = false;
};

// A KafkaCluster as crds/kafkaclusters.yaml describes it, typed; what has no field of its own here stays in `object`.
struct KafkaCluster {
  kube::Object object;
  std::string name_space;
  std::string name;
  std::string uid;
  int64_t generation = 0;
  bool is_deleting = false;

  int32_t replicas = 1;
  std::string version;
  std::string image;
  Storage storage;
  std::vector<ListenerSpec> listeners;
  Config config;
  bool strimzi_compatible = false;

  // invalid_argument when it breaks its schema or rules.
  static Result<KafkaCluster> from(const kube::Object& object);
};

// spec.config as text, as brokers take it: numbers and flags by their usual spelling.
Config config_of(const kube::Object& object);

}  // namespace millrace::api
