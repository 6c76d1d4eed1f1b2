#pragma once

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "operator/api/kafka_cluster.h"
#include "operator/api/kafka_topic.h"
#include "operator/api/schema.h"
#include "operator/kube/object.h"

namespace millrace::api {

// Fills the struct from the JSON of an object that keeps its schema; members that are absent stay as they are.
void read_spec(const kube::Json& spec, KafkaClusterSpec& into);
void read_spec(const kube::Json& spec, KafkaTopicSpec& into);

// A resource from its object: defaulted, checked against its schema, and read. Errors: those of the check.
template <class Resource>
Result<Resource> read_resource(const kube::Object& given) {
  Resource result;
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

// The words of an enumeration in manifests, by number.
inline constexpr std::array<std::string_view, 2> kStorageWords{"ephemeral", "persistent-claim"};
inline constexpr std::array<std::string_view, 2> kDeletionWords{"Delete", "Retain"};

}  // namespace millrace::api
