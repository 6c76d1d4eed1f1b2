#include <nlohmann/json.hpp>

#include "operator/desired/desired.h"
#include "operator/desired/metadata.h"
#include "operator/desired/names.h"

namespace millrace::desired {

// One at a time. With a single broker that still lets a node be drained: it would protect nothing to refuse.
kube::Object pod_disruption_budget(const api::KafkaCluster& cluster) {
  return kube::Object(Json{{"apiVersion", "policy/v1"},
                           {"kind", "PodDisruptionBudget"},
                           {"metadata", owned_metadata(cluster, stateful_set_name(cluster.name))},
                           {"spec", {{"maxUnavailable", 1}, {"selector", {{"matchLabels", selector(cluster.name)}}}}}});
}

}  // namespace millrace::desired
