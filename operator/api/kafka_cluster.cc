#include "operator/api/kafka_cluster.h"

#include <nlohmann/json.hpp>

#include "operator/api/schema.h"

namespace millrace::api {

Result<KafkaCluster> KafkaCluster::from(const kube::Object& given) {
  const kube::Object object = with_defaults(given);
  TRY(check_object(object, nullptr));
  const Json& spec = object.json().at("spec");
  KafkaCluster result{.object = object,
                      .name_space = object.name_space(),
                      .name = object.name(),
                      .uid = object.uid(),
                      .generation = object.generation(),
                      .is_deleting = object.is_deleting(),
                      .replicas = spec.at("replicas").get<int32_t>(),
                      .version = object.text_at({"spec", "version"}),
                      .image = object.text_at({"spec", "image"}),
                      .config = config_of(object)};
  const Json& storage = spec.at("storage");
  result.storage.type = storage.at("type") == "ephemeral" ? StorageType::ephemeral : StorageType::persistent_claim;
  result.storage.size = object.text_at({"spec", "storage", "size"});
  result.storage.storage_class = object.text_at({"spec", "storage", "class"});
  result.storage.delete_claim = storage.value("deleteClaim", false);
  for (const Json& listener : spec.at("listeners")) {
    result.listeners.push_back({.name = listener.at("name").get<std::string>(),
                                .port = listener.at("port").get<uint16_t>(),
                                .type = listener.at("type").get<std::string>(),
                                .tls = listener.value("tls", false)});
  }
  if (spec.contains("metrics")) result.strimzi_compatible = spec["metrics"].value("strimziCompatible", false);
  return result;
}

Config config_of(const kube::Object& object) {
  Config result;
  const Json& spec = object.json().at("spec");
  if (!spec.contains("config")) return result;
  for (const auto& [name, value] : spec["config"].items()) {
    result[name] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  return result;
}

}  // namespace millrace::api
