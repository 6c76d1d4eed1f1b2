#include "operator/api/kafka_topic.h"

#include <nlohmann/json.hpp>

#include "operator/api/schema.h"
#include "operator/api/typed.h"

namespace millrace::api {

Result<KafkaTopic> KafkaTopic::from(const kube::Object& given) {
  KafkaTopic result;
  result.object = with_defaults(given);
  TRY(check_object(without_status(result.object), nullptr));
  read_spec(result.object.json().at("spec"), result);
  result.name_space = given.name_space();
  result.name = given.name();
  result.uid = given.uid();
  result.generation = given.generation();
  result.is_deleting = given.is_deleting();
  result.created = given.text_at({"metadata", "creationTimestamp"});
  result.cluster = result.cluster_ref.name;
  result.topic = result.topic_name.value_or(result.name);
  return result;
}

}  // namespace millrace::api
