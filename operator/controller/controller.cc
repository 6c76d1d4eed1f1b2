#include "operator/controller/controller.h"

#include <array>
#include <utility>

#include "broker/base/logger.h"
#include "operator/desired/names.h"

namespace millrace::controller {

namespace {

const Logger kLog("controller");
constexpr std::array<std::string_view, 7> kWatchedKinds{"KafkaCluster", "KafkaTopic",          "StatefulSet", "Pod",
                                                        "Service",      "PodDisruptionBudget", "ConfigMap"};

}  // namespace

Controller::Controller(ControllerOptions options)
    : options_(std::move(options)),
      queue_(*options_.clock),
      reconciler_(*options_.kube, *options_.connector, *options_.clock, options_.defaults) {}

Result<std::unique_ptr<Controller>> Controller::start(ControllerOptions options) {
  std::unique_ptr<Controller> controller(new Controller(std::move(options)));
  TRY(controller->watch_all());
  controller->worker_ = std::thread([self = controller.get()] { self->run(); });
  return controller;
}

Controller::~Controller() { stop(); }

void Controller::stop() {
  watches_.clear();
  queue_.close();
  if (worker_.joinable()) worker_.join();
}

Status Controller::watch_all() {
  for (const std::string_view kind : kWatchedKinds) {
    TRY_ASSIGN(
        std::unique_ptr<kube::Watch> watch,
        options_.kube->watch(kind, options_.name_space, [this](const kube::WatchEvent& event) { on_event(event); }));
    watches_.push_back(std::move(watch));
  }
  return ok();
}

void Controller::add(const kube::ObjectKey& key) {
  if (!queue_.add(key)) metrics_.dropped_keys.add();
  metrics_.queue_keys.set(static_cast<int64_t>(queue_.size()));
}

void Controller::on_event(const kube::WatchEvent& event) {
  const kube::Object& object = event.object;
  const std::string kind = object.kind();
  if (kind == "KafkaTopic") {
    add(object.key());
    // The next in age may have waited for this one to go.
    if (event.change == kube::Change::deleted || object.is_deleting()) {
      queue_topics_of(object.name_space(), object.text_at({"spec", "clusterRef", "name"}));
    }
    return;
  }
  if (kind == "KafkaCluster") {
    add(object.key());
    return queue_topics_of(object.name_space(), object.name());
  }
  const std::string cluster = object.label(desired::kClusterLabel);
  if (!cluster.empty()) add({"KafkaCluster", object.name_space(), cluster});
}

void Controller::queue_topics_of(const std::string& name_space, const std::string& cluster) {
  const Result<std::vector<kube::Object>> topics = options_.kube->list("KafkaTopic", name_space, {});
  if (!topics) return kLog.warn("topics not listed", {{"cluster", cluster}, {"error", topics.error().to_string()}});
  for (const kube::Object& topic : *topics) {
    if (topic.text_at({"spec", "clusterRef", "name"}) == cluster) add(topic.key());
  }
}

void Controller::run() {
  while (const std::optional<kube::ObjectKey> key = queue_.take()) {
    work_on(*key);
    metrics_.queue_keys.set(static_cast<int64_t>(queue_.size()));
  }
}

void Controller::work_on(const kube::ObjectKey& key) {
  const TimePoint begin = options_.clock->now();
  const Result<Outcome> outcome = reconciler_.reconcile(key);
  const bool is_cluster = key.kind == "KafkaCluster";
  metrics_.pass_duration.record(options_.clock->now() - begin);
  (is_cluster ? metrics_.cluster_passes : metrics_.topic_passes).add();
  if (outcome) {
    queue_.forget_failures(key);
    if (outcome->did_steps) {
      queue_.add(key);
    } else if (outcome->exists) {
      queue_.add(key, outcome->check_again);
    }
  } else if (outcome.error().code == Errc::conflict) {  // somebody was faster: look again
    queue_.add_after_failure(key);
  } else {
    (is_cluster ? metrics_.cluster_failures : metrics_.topic_failures).add();
    kLog.warn("pass failed", {{"object", key.to_string()}, {"error", outcome.error().to_string()}});
    queue_.add_after_failure(key);
  }
  queue_.done(key);
}

}  // namespace millrace::controller
