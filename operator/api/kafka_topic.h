#pragma once

#include <cstdint>
#include <string>

#include "broker/base/result.h"
#include "operator/api/kafka_cluster.h"
#include "operator/kube/object.h"

namespace millrace::api {

enum class DeletionPolicy : uint8_t { remove, retain };

// A KafkaTopic as crds/kafkatopics.yaml describes it, typed.
struct KafkaTopic {
  kube::Object object;
  std::string name_space;
  std::string name;
  std::string uid;
  int64_t generation = 0;
  bool is_deleting = false;
  std::string created;  // RFC 3339; with uid it orders two claims to one topic

  std::string cluster;
  std::string topic;  // the topic's name in Kafka
  int32_t partitions = 1;
  int32_t replicas = 1;
  Config config;
  DeletionPolicy deletion_policy = DeletionPolicy::remove;

  // invalid_argument when it breaks its schema or rules.
  static Result<KafkaTopic> from(const kube::Object& object);
};

}  // namespace millrace::api
