#include "operator/cli/views.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "operator/controller/observe.h"
#include "operator/desired/names.h"

namespace millrace::cli {

using kube::Json;

namespace {

std::optional<int64_t> status_number(const kube::Object& object, std::string_view field) {
  if (!object.has({"status", field})) return std::nullopt;
  return object.number_at({"status", field});
}

std::string address(const plan::PodFacts& pod, const std::string& port) {
  const auto found = pod.local_ports.find(port);
  return found == pod.local_ports.end() ? "" : "127.0.0.1:" + std::to_string(found->second);
}

std::string first_listener(const kube::Object& cluster) {
  const Json& spec = cluster.json().at("spec");
  if (!spec.contains("listeners") || spec["listeners"].empty()) return "plain";
  return spec["listeners"][0].value("name", "");
}

std::string bootstrap_of(const kube::Object& cluster) {
  if (!cluster.has({"status", "listeners"}) || cluster.json()["status"]["listeners"].empty()) return "";
  return cluster.json()["status"]["listeners"][0].value("bootstrapServers", "");
}

void set_readiness(const kube::Object& object, bool is_running, bool& is_ready, std::string& reason,
                   std::string& message) {
  const std::optional<ConditionView> ready = ready_of(object);
  is_ready = is_running && ready && ready->status == "True";
  reason = !is_running ? "Stopped" : ready ? ready->reason : "NotReconciled";
  message = is_running && ready ? ready->message : "";
}

TopicView view_topic(const kube::Object& object, bool is_running) {
  const std::string given = object.text_at({"spec", "topicName"});
  TopicView view{.name = object.name(),
                 .topic = given.empty() ? object.name() : given,
                 .cluster = object.text_at({"spec", "clusterRef", "name"}),
                 .partitions = status_number(object, "partitions"),
                 .replicas = status_number(object, "replicas")};
  set_readiness(object, is_running, view.is_ready, view.reason, view.message);
  if (object.is_deleting()) {
    view.is_ready = false;
    view.reason = "Deleting";
  }
  return view;
}

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }
Json number_or_null(std::optional<int64_t> number) { return number ? Json(*number) : Json(nullptr); }

}  // namespace

std::vector<ConditionView> conditions_of(const kube::Object& object) {
  std::vector<ConditionView> result;
  if (!object.has({"status", "conditions"})) return result;
  for (const Json& condition : object.json()["status"]["conditions"]) {
    result.push_back({condition.value("type", ""), condition.value("status", ""), condition.value("reason", ""),
                      condition.value("message", ""), condition.value("lastTransitionTime", "")});
  }
  return result;
}

std::optional<ConditionView> ready_of(const kube::Object& object) {
  if (object.number_at({"status", "observedGeneration"}, -1) != object.generation()) return std::nullopt;
  for (ConditionView& condition : conditions_of(object)) {
    if (condition.type == "Ready") return std::move(condition);
  }
  return std::nullopt;
}

Result<std::vector<TopicView>> view_topics(kube::Client& kube, const std::string& name_space, bool is_running) {
  TRY_ASSIGN(const std::vector<kube::Object> objects, kube.list("KafkaTopic", name_space, {}));
  std::vector<TopicView> result;
  for (const kube::Object& object : objects) result.push_back(view_topic(object, is_running));
  return result;
}

Result<std::vector<ClusterView>> view_clusters(kube::Client& kube, const std::string& name_space, bool is_running) {
  TRY_ASSIGN(const std::vector<kube::Object> objects, kube.list("KafkaCluster", name_space, {}));
  TRY_ASSIGN(const std::vector<TopicView> topics, view_topics(kube, name_space, is_running));
  std::vector<ClusterView> result;
  for (const kube::Object& object : objects) {
    ClusterView view{.name = object.name(), .wanted = object.number_at({"spec", "replicas"}, 1)};
    set_readiness(object, is_running, view.is_ready, view.reason, view.message);
    view.bootstrap = bootstrap_of(object);
    TRY_ASSIGN(const std::vector<plan::PodFacts> pods, controller::observe_pods(kube, name_space, view.name));
    for (const plan::PodFacts& pod : pods) {
      const bool ready = is_running && pod.is_ready && !pod.is_deleting;
      view.ready += ready ? 1 : 0;
      view.brokers.push_back({.cluster = view.name,
                              .id = pod.ordinal,
                              .pod = pod.name,
                              .pid = is_running ? pod.local_pid : 0,
                              .kafka = address(pod, first_listener(object)),
                              .rpc = address(pod, std::string(desired::kRpcPortName)),
                              .http = address(pod, std::string(desired::kHttpPortName)),
                              .is_ready = ready,
                              .restarts = pod.restarts});
    }
    // Pods tell of a broker that has just died before the cluster's status does.
    if (view.is_ready && view.ready < view.wanted) {
      view.is_ready = false;
      view.reason = "BrokersNotReady";
      view.message = std::to_string(view.ready) + " of " + std::to_string(view.wanted) + " brokers are ready";
    }
    std::copy_if(topics.begin(), topics.end(), std::back_inserter(view.topics),
                 [&](const TopicView& topic) { return topic.cluster == view.name; });
    result.push_back(std::move(view));
  }
  return result;
}

Json status_json(const std::vector<ClusterView>& clusters) {
  Json list = Json::array();
  for (const ClusterView& cluster : clusters) {
    Json brokers = Json::array();
    for (const BrokerView& broker : cluster.brokers) {
      brokers.push_back({{"id", broker.id},
                         {"pid", broker.pid == 0 ? Json(nullptr) : Json(broker.pid)},
                         {"kafka", text_or_null(broker.kafka)},
                         {"rpc", text_or_null(broker.rpc)},
                         {"http", text_or_null(broker.http)},
                         {"ready", broker.is_ready}});
    }
    Json topics = Json::array();
    for (const TopicView& topic : cluster.topics) {
      topics.push_back({{"name", topic.name},
                        {"ready", topic.is_ready},
                        {"partitions", number_or_null(topic.partitions)},
                        {"replicas", number_or_null(topic.replicas)}});
    }
    list.push_back({{"name", cluster.name},
                    {"ready", cluster.is_ready},
                    {"bootstrap", text_or_null(cluster.bootstrap)},
                    {"brokers", std::move(brokers)},
                    {"topics", std::move(topics)}});
  }
  return {{"clusters", std::move(list)}};
}

}  // namespace millrace::cli
