#include "operator/controller/controller.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "broker/base/logger.h"
#include "operator/controller/observe.h"
#include "operator/desired/names.h"

namespace millrace::controller {

namespace {

const Logger kLog("controller");
constexpr std::array<std::string_view, 7> kWatchedKinds{"KafkaCluster", "KafkaTopic",          "StatefulSet", "Pod",
                                                        "Service",      "PodDisruptionBudget", "ConfigMap"};

// The kind of the queue's keys for watches to be made again; the name is the kind that is watched.
constexpr std::string_view kLostWatch = "LostWatch";
constexpr std::chrono::seconds kCountsDelay{1};

// Never empty. Topics wait for their cluster to be there and to be reachable; its other news are none to them.
std::string what_matters_to_topics(const kube::Object& cluster) {
  std::string result = cluster.uid() + " " + std::to_string(cluster.generation()) + (cluster.is_deleting() ? " x" : "");
  if (!cluster.has({"status"})) return result;
  const kube::Json& status = cluster.json()["status"];
  if (status.contains("listeners")) result += status["listeners"].dump();
  if (!status.contains("conditions")) return result;
  for (const kube::Json& condition : status["conditions"]) {
    if (condition.value("type", "") == "Ready") result += condition.value("status", "");
  }
  return result;
}

}  // namespace

Controller::Controller(ControllerOptions options)
    : options_(std::move(options)),
      queue_(*options_.clock),
      reconciler_(*options_.kube, {*options_.kafka, *options_.brokers}, *options_.clock, options_.defaults) {}

Result<std::unique_ptr<Controller>> Controller::start(ControllerOptions options) {
  std::unique_ptr<Controller> controller(new Controller(std::move(options)));
  TRY(controller->watch_all());
  controller->worker_ = std::thread([self = controller.get()] { self->run(); });
  return controller;
}

Controller::~Controller() { stop(); }

void Controller::stop() {
  queue_.close();
  if (worker_.joinable()) worker_.join();
  watches_.clear();
}

Status Controller::watch_all() {
  watches_.resize(kWatchedKinds.size());
  for (size_t kind = 0; kind < kWatchedKinds.size(); ++kind) TRY(watch(kind));
  return ok();
}

Status Controller::watch(size_t kind) {
  TRY_ASSIGN(watches_[kind],
             options_.kube->watch(kWatchedKinds[kind], options_.name_space,
                                  [this, kind](const kube::WatchEvent& event) { on_event(kind, event); }));
  return ok();
}

void Controller::add(const kube::ObjectKey& key, Duration delay) {
  if (!queue_.add(key, delay)) metrics_.dropped_keys.add();
  metrics_.queue_keys.set(static_cast<int64_t>(queue_.size()));
}

void Controller::add_all(const std::vector<kube::ObjectKey>& keys) {
  for (const kube::ObjectKey& key : keys) add(key);
}

void Controller::on_event(size_t kind, const kube::WatchEvent& event) {
  if (event.change == kube::Change::lost) return add({std::string(kLostWatch), "", std::string(kWatchedKinds[kind])});
  if (kWatchedKinds[kind] == "KafkaTopic") return on_topic(event);
  if (kWatchedKinds[kind] == "KafkaCluster") return on_cluster(event);
  const std::string cluster = event.object.label(desired::kClusterLabel);
  if (!cluster.empty()) add({"KafkaCluster", event.object.name_space(), cluster});
}

void Controller::on_topic(const kube::WatchEvent& event) {
  const kube::Object& topic = event.object;
  const bool is_gone = event.change == kube::Change::deleted;
  // The next in age may have waited for this one to go.
  if (is_gone || topic.is_deleting()) add_all(reconciler_.topics().claims_like(topic));
  if (is_gone) {
    reconciler_.topics().forget(topic.name_space(), topic.name(), topic.uid());
  } else {
    reconciler_.topics().put(topic);
  }
  add(topic.key());
  // Its status counts partitions. Of many topics that change at once it tells together.
  add({"KafkaCluster", topic.name_space(), topic.text_at({"spec", "clusterRef", "name"})}, kCountsDelay);
}

void Controller::on_cluster(const kube::WatchEvent& event) {
  const kube::Object& cluster = event.object;
  add(cluster.key());
  std::string matters;  // to its topics
  if (event.change != kube::Change::deleted) matters = what_matters_to_topics(cluster);
  {
    const MutexLock lock(mutex_);
    const auto seen = seen_clusters_.find(cluster.key());
    if (seen != seen_clusters_.end() && seen->second == matters) return;
    if (event.change == kube::Change::deleted) {
      seen_clusters_.erase(cluster.key());
    } else {
      seen_clusters_.insert_or_assign(cluster.key(), std::move(matters));
    }
  }
  add_all(reconciler_.topics().topics_of(cluster.name_space(), cluster.name()));
}

Status Controller::watch_again(const kube::ObjectKey& key) {
  const auto kind =
      static_cast<size_t>(std::find(kWatchedKinds.begin(), kWatchedKinds.end(), key.name) - kWatchedKinds.begin());
  watches_[kind].reset();
  TRY(watch(kind));
  kLog.info("watch made again", {{"kind", kWatchedKinds[kind]}});
  TRY_ASSIGN(const std::vector<kube::Object> topics,
             list_topics(*options_.kube, reconciler_.topics(), options_.name_space));
  for (const kube::Object& topic : topics) add(topic.key());
  TRY_ASSIGN(const std::vector<kube::Object> clusters, options_.kube->list("KafkaCluster", options_.name_space, {}));
  const MutexLock lock(mutex_);
  for (const kube::Object& cluster : clusters) add(cluster.key());
  for (const auto& [gone, seen] : seen_clusters_) add(gone);  // a pass over what is gone forgets it
  return ok();
}

void Controller::run() {
  while (const std::optional<kube::ObjectKey> key = queue_.take()) {
    work_on(*key);
    metrics_.queue_keys.set(static_cast<int64_t>(queue_.size()));
  }
}

void Controller::work_on(const kube::ObjectKey& key) {
  if (key.kind == kLostWatch) {
    const Status again = watch_again(key);
    if (!again) kLog.warn("watch not made again", {{"error", again.error().to_string()}});
    if (again) {
      queue_.forget_failures(key);
    } else {
      queue_.add_after_failure(key);
    }
    return queue_.done(key);
  }
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
