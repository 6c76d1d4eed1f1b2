#include "operator/desired/desired.h"
#include "operator/plan/cluster_plan.h"

namespace millrace::plan {

namespace {

// Every broker keeps connections to every other one, and each has a row in the status.
constexpr int32_t kBrokersMax = 100;

}  // namespace

std::vector<std::string> refusals(const api::KafkaCluster& cluster, const desired::Defaults& defaults) {
  std::vector<std::string> result;
  if (cluster.replicas > kBrokersMax) {
    result.push_back("spec.replicas is " + std::to_string(cluster.replicas) + ": a cluster has at most " +
                     std::to_string(kBrokersMax) + " brokers");
  }
  if (!cluster.version.empty() && cluster.version != defaults.version) {
    result.push_back("spec.version is " + cluster.version + ": this operator runs " + defaults.version +
                     " only; leave it empty");
  }
  for (const api::ListenerSpec& listener : cluster.listeners) {
    if (listener.tls)
      result.push_back("listener " + listener.name + " wants TLS, which this version does not have; set tls to false");
    if (listener.type != "internal" && !defaults.is_local) {
      result.push_back("listener " + listener.name + " has type " + listener.type +
                       ": this version makes internal ones only");
    }
  }
  if (cluster.rack && !defaults.is_local)
    result.push_back("spec.rack is set: this version does not place brokers by rack; remove it");
  if (cluster.autoscaling && !defaults.is_local) {
    result.push_back("spec.autoscaling is set: this version does not scale by itself; remove it");
  }
  for (const auto& [name, value] : cluster.config) {
    if (desired::is_reserved_property(name)) {
      result.push_back("spec.config sets " + name + ", which the operator sets itself; remove it");
    }
  }
  return result;
}

}  // namespace millrace::plan
