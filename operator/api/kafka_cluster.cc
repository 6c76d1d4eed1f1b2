#include "operator/api/kafka_cluster.h"

#include <nlohmann/json.hpp>

#include "operator/api/schema.h"
#include "operator/api/typed.h"

namespace millrace::api {

Result<KafkaCluster> KafkaCluster::from(const kube::Object& given) {
  KafkaCluster result;
  result.object = with_defaults(given);
  TRY(check_object(without_status(result.object), nullptr));
  read_spec(result.object.json().at("spec"), result);
  result.name_space = given.name_space();
  result.name = given.name();
  result.uid = given.uid();
  result.generation = given.generation();
  result.is_deleting = given.is_deleting();
  return result;
}

}  // namespace millrace::api
