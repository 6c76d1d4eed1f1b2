#include "operator/kube/kinds.h"

#include <array>
#include <cctype>
#include <string>

namespace millrace::kube {

namespace {

constexpr std::array kKinds{
    Kind{"KafkaCluster", "millrace.dev/v1alpha1", "kafkaclusters", "kfc"},
    Kind{"KafkaTopic", "millrace.dev/v1alpha1", "kafkatopics", "kft"},
    Kind{"StatefulSet", "apps/v1", "statefulsets", "sts"},
    Kind{"Pod", "v1", "pods", "po"},
    Kind{"Service", "v1", "services", "svc"},
    Kind{"ConfigMap", "v1", "configmaps", "cm"},
    Kind{"PersistentVolumeClaim", "v1", "persistentvolumeclaims", "pvc"},
    Kind{"PodDisruptionBudget", "policy/v1", "poddisruptionbudgets", "pdb"},
    Kind{"Event", "v1", "events", "ev"},
};

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

}  // namespace

std::span<const Kind> all_kinds() { return kKinds; }

const Kind* find_kind(std::string_view word) {
  const std::string wanted = lower(word);
  for (const Kind& kind : kKinds) {
    const std::string name = lower(kind.name);
    if (wanted == name || wanted == kind.plural || wanted == kind.short_name) return &kind;
    // Our own kinds also without their prefix, as people say them: "cluster", "topics".
    if (name.starts_with("kafka") && (wanted == name.substr(5) || wanted == kind.plural.substr(5))) return &kind;
  }
  return nullptr;
}

}  // namespace millrace::kube
