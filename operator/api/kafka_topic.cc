#include "operator/api/kafka_topic.h"

#include "operator/api/typed.h"

namespace millrace::api {

Result<KafkaTopic> KafkaTopic::from(const kube::Object& given) {
  TRY_ASSIGN(KafkaTopic result, read_resource<KafkaTopic>(given));
  result.created = given.text_at({"metadata", "creationTimestamp"});
  result.cluster = result.cluster_ref.name;
  result.topic = result.topic_name.value_or(result.name);
  return result;
}

}  // namespace millrace::api
