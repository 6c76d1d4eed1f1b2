#include "operator/controller/reconciler.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "operator/api/kafka_topic.h"
#include "operator/controller/observe.h"
#include "operator/controller/status.h"
#include "operator/plan/cluster_plan.h"
#include "operator/plan/topic_plan.h"

namespace millrace::controller {

using kube::Json;

Result<Outcome> Reconciler::reconcile(const kube::ObjectKey& key) {
  const Result<kube::Object> object = kube_.get(key);
  if (!object) {
    if (object.error().code != Errc::not_found) return object.error();
    if (key.kind == "KafkaCluster") clients_.forget(key);
    if (key.kind == "KafkaTopic") topics_.forget(key.name_space, key.name, "");
    return Outcome{.exists = false};
  }
  return key.kind == "KafkaCluster" ? reconcile_cluster(*object) : reconcile_topic(*object);
}

Result<Outcome> Reconciler::reconcile_cluster(const kube::Object& object) {
  const Result<api::KafkaCluster> cluster = api::KafkaCluster::from(object);
  if (!cluster) return refuse_spec(object, cluster.error());
  if (cluster->is_deleting) return Outcome{.check_again = plan::kResync};
  TRY_ASSIGN(plan::ClusterObserved observed, observe_cluster(kube_, clients_, *cluster));
  plan::Plan plan = plan::plan_cluster(*cluster, observed, defaults_);
  if (plan.ask) {
    observed.answer = ask(clients_, *cluster, observed, *plan.ask);
    plan = plan::plan_cluster(*cluster, observed, defaults_);
  }
  Hands hands{.kube = kube_};
  if (observed.kafka.is_reachable) {
    TRY_ASSIGN(hands.kafka, client_of(clients_, *cluster, observed.pods));
    TRY_ASSIGN(hands.brokers, brokers_of(clients_, *cluster, observed.pods, plan::cluster_id_of(*cluster, observed)));
  }
  if (const Status done = carry_out(plan, hands, object); !done) {
    if (done.error().code == Errc::conflict) return done.error();  // seen anew, the plan will be another
    plan.blocked_by.push_back({"StepFailed", object.key().to_string(), done.error().to_string()});
    TRY(write(object, plan::cluster_status(*cluster, observed, plan, defaults_), plan));
    return done.error();
  }
  if (!plan.steps.empty()) return Outcome{.did_steps = true};
  TRY(write(object, plan::cluster_status(*cluster, observed, plan, defaults_), plan));
  return Outcome{.check_again = plan.check_again};
}

Result<Outcome> Reconciler::reconcile_topic(const kube::Object& object) {
  const Result<api::KafkaTopic> topic = api::KafkaTopic::from(object);
  if (!topic) return refuse_spec(object, topic.error());
  TRY_ASSIGN(const plan::TopicObserved observed, observe_topic(kube_, clients_, topics_, *topic));
  plan::Plan plan = plan::plan_topic(*topic, observed);

  Hands hands{.kube = kube_};
  if (!plan.steps.empty() && observed.cluster == plan::ClusterState::reachable) {
    TRY_ASSIGN(const kube::Object cluster_object, kube_.get({"KafkaCluster", topic->name_space, topic->cluster}));
    TRY_ASSIGN(const api::KafkaCluster cluster, api::KafkaCluster::from(cluster_object));
    TRY_ASSIGN(const std::vector<plan::PodFacts> pods, observe_pods(kube_, topic->name_space, topic->cluster));
    TRY_ASSIGN(hands.kafka, client_of(clients_, cluster, pods));
  }
  if (const Status done = carry_out(plan, hands, object); !done) {
    const Errc code = done.error().code;
    // Seen anew, the plan will be another; what did not get through is tried again.
    if (admin::is_unreachable(code) || code == Errc::conflict || code == Errc::topic_already_exists) {
      return done.error();
    }
    plan.conditions = {{std::string(plan::kReady), plan::ConditionStatus::no, "KafkaRefused", done.error().context}};
    write_event(kube_, object, {true, "KafkaRefused", done.error().context}, clock_.wall_ms());
    TRY_ASSIGN(const kube::Object newest, kube_.get(object.key()));  // a finalizer may have changed it
    TRY(write(newest, plan::topic_status(*topic, observed), plan));
    return done.error();
  }
  if (!plan.steps.empty()) return Outcome{.did_steps = true};
  TRY(write(object, plan::topic_status(*topic, observed), plan));
  return Outcome{.check_again = plan.check_again};
}

// An object that the API server took but we cannot read: made under another schema.
Result<Outcome> Reconciler::refuse_spec(const kube::Object& object, const Error& error) {
  plan::Plan plan{.check_again = plan::kResync};
  plan.conditions.push_back({std::string(plan::kReady), plan::ConditionStatus::no, "InvalidSpec", error.context});
  TRY(write(object, object.has({"status"}) ? object.json()["status"] : Json::object(), plan));
  return Outcome{.check_again = plan.check_again};
}

Status Reconciler::write(const kube::Object& object, Json fields, const plan::Plan& plan) {
  return write_status(kube_, object, composed_status(object, std::move(fields), plan, clock_.wall_ms()));
}

Status Reconciler::carry_out(const plan::Plan& plan, const Hands& hands, const kube::Object& object) {
  TRY(execute(plan, hands, object));
  for (const plan::Note& note : plan.notes) write_event(kube_, object, note, clock_.wall_ms());
  return ok();
}

}  // namespace millrace::controller
