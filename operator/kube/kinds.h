#pragma once

#include <span>
#include <string_view>

namespace millrace::kube {

// What the operator knows of one kind of object, declared once.
struct Kind {
  std::string_view name;         // "KafkaCluster"
  std::string_view api_version;  // "millrace.dev/v1alpha1"
  std::string_view plural;       // as in API paths
  std::string_view short_name;   // "" when there is none
};

std::span<const Kind> all_kinds();
// By kind, plural, singular in any case, or short name: "KafkaTopic", "kafkatopics", "topic", "kft". Null when unknown.
const Kind* find_kind(std::string_view word);

}  // namespace millrace::kube
