#include "operator/api/kafka_cluster.h"

#include "operator/api/typed.h"

namespace millrace::api {

Result<KafkaCluster> KafkaCluster::from(const kube::Object& given) { return read_resource<KafkaCluster>(given); }

}  // namespace millrace::api
