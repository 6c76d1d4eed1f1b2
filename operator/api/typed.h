#pragma once

#include <array>
#include <string_view>

#include "operator/api/kafka_cluster.h"
#include "operator/api/kafka_topic.h"
#include "operator/kube/object.h"

namespace millrace::api {

// Fills the struct from the JSON of an object that keeps its schema; members that are absent stay as they are.
void read_spec(const kube::Json& spec, KafkaClusterSpec& into);
void read_spec(const kube::Json& spec, KafkaTopicSpec& into);

// The words of an enumeration in manifests, by number.
inline constexpr std::array<std::string_view, 2> kStorageWords{"ephemeral", "persistent-claim"};
inline constexpr std::array<std::string_view, 2> kDeletionWords{"Delete", "Retain"};

}  // namespace millrace::api
