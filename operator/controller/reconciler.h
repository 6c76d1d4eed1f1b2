#pragma once

#include <chrono>

#include "broker/base/clock.h"
#include "operator/admin/client.h"
#include "operator/controller/execute.h"
#include "operator/controller/kafka_clients.h"
#include "operator/controller/topic_index.h"
#include "operator/desired/desired.h"
#include "operator/kube/client.h"
#include "operator/plan/plan.h"

namespace millrace::controller {

struct Outcome {
  bool exists = true;      // false: nothing will come of this key until it is created again
  bool did_steps = false;  // look again at once
  std::chrono::milliseconds check_again{0};
};

// One pass over one object: observe → validate → desired → plan (→ ask → plan) → execute → status. Level-based: it
// knows nothing of what changed, and may be interrupted or repeated anywhere. One thread. Errors: what the API server
// or the Kafka cluster could not do now; the caller comes back later.
class Reconciler {
 public:
  struct Connectors {  // outlive the reconciler
    admin::Connector& kafka;
    admin::ClusterAdminConnector& brokers;
  };
  Reconciler(kube::Client& kube, const Connectors& connectors, const Clock& clock, desired::Defaults defaults)
      : kube_(kube), clients_(connectors.kafka, connectors.brokers), clock_(clock), defaults_(std::move(defaults)) {}

  Result<Outcome> reconcile(const kube::ObjectKey& key);
  // To be told of every KafkaTopic that comes, changes or goes, by any thread.
  TopicIndex& topics() { return topics_; }

 private:
  Result<Outcome> reconcile_cluster(const kube::Object& object);
  Result<Outcome> reconcile_topic(const kube::Object& object);
  Result<Outcome> refuse_spec(const kube::Object& object, const Error& error);
  Status write(const kube::Object& object, kube::Json fields, const plan::Plan& plan);
  Status carry_out(const plan::Plan& plan, const Hands& hands, const kube::Object& object);

  kube::Client& kube_;
  KafkaClients clients_;
  TopicIndex topics_;
  const Clock& clock_;
  const desired::Defaults defaults_;
};

}  // namespace millrace::controller
