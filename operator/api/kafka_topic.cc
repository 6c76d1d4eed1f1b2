#include "operator/api/kafka_topic.h"

#include <nlohmann/json.hpp>

#include "operator/api/schema.h"

namespace millrace::api {

Result<KafkaTopic> KafkaTopic::from(const kube::Object& given) {
  const kube::Object object = with_defaults(given);
  TRY(check_object(object, nullptr));
  const Json& spec = object.json().at("spec");
  KafkaTopic result{.object = object,
                    .name_space = object.name_space(),
                    .name = object.name(),
                    .uid = object.uid(),
                    .generation = object.generation(),
                    .is_deleting = object.is_deleting(),
                    .created = object.text_at({"metadata", "creationTimestamp"}),
                    .cluster = object.text_at({"spec", "clusterRef", "name"}),
                    .topic = object.text_at({"spec", "topicName"}),
                    .partitions = spec.at("partitions").get<int32_t>(),
                    .replicas = spec.at("replicas").get<int32_t>(),
                    .config = config_of(object)};
  if (result.topic.empty()) result.topic = result.name;
  if (spec.at("deletionPolicy") == "Retain") result.deletion_policy = DeletionPolicy::retain;
  return result;
}

}  // namespace millrace::api
