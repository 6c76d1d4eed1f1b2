#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "operator/controller/observe.h"

namespace millrace::controller {

namespace {

// The oldest of the objects that describe the same topic, unless that is `topic`. What is being deleted does not count.
Result<std::string> older_rival(kube::Client& kube, const api::KafkaTopic& topic) {
  TRY_ASSIGN(const std::vector<kube::Object> objects, kube.list("KafkaTopic", topic.name_space, {}));
  const auto age = [](const api::KafkaTopic& one) { return std::tie(one.created, one.uid); };
  std::optional<api::KafkaTopic> oldest;
  for (const kube::Object& object : objects) {
    if (object.name() == topic.name || object.is_deleting()) continue;
    Result<api::KafkaTopic> other = api::KafkaTopic::from(object);
    if (!other || other->cluster != topic.cluster || other->topic != topic.topic) continue;
    if (age(*other) < age(topic) && (!oldest || age(*other) < age(*oldest))) oldest = std::move(*other);
  }
  return oldest ? oldest->name : std::string();
}

std::optional<plan::TopicFacts> facts_of(const std::optional<admin::TopicDescription>& topic,
                                         admin::TopicConfig config) {
  if (!topic) return std::nullopt;
  const auto leaderless = std::count_if(topic->partitions.begin(), topic->partitions.end(),
                                        [](const admin::PartitionDescription& one) { return one.leader == kNoBroker; });
  return plan::TopicFacts{.id = topic->id.to_string(),
                          .partitions = topic->partition_count(),
                          .replicas = topic->replica_count(),
                          .leaderless = static_cast<int32_t>(leaderless),
                          .config = std::move(config)};
}

}  // namespace

Result<plan::TopicObserved> observe_topic(kube::Client& kube, KafkaClients& clients, const api::KafkaTopic& topic) {
  plan::TopicObserved result;
  TRY_ASSIGN(result.rival, older_rival(kube, topic));
  const Result<kube::Object> object = kube.get({"KafkaCluster", topic.name_space, topic.cluster});
  if (!object) {
    if (object.error().code != Errc::not_found) return object.error();
    return result;
  }
  result.cluster = object->is_deleting() ? plan::ClusterState::deleting : plan::ClusterState::unreachable;
  if (object->is_deleting()) return result;

  const auto unreachable = [&](const Error& error) {
    result.cluster_trouble = error.to_string();
    return result;
  };
  const Result<api::KafkaCluster> cluster = api::KafkaCluster::from(*object);
  if (!cluster) return unreachable(cluster.error());
  TRY_ASSIGN(const std::vector<plan::PodFacts> pods, observe_pods(kube, topic.name_space, topic.cluster));
  const Result<admin::Client*> client = client_of(clients, *cluster, pods);
  if (!client) return unreachable(client.error());
  const Result<std::optional<admin::TopicDescription>> described = (*client)->describe_topic(topic.topic);
  if (!described) return unreachable(described.error());
  admin::TopicConfig config;
  if (*described) {
    Result<admin::TopicConfig> read = (*client)->describe_topic_config(topic.topic);
    if (!read) return unreachable(read.error());
    config = std::move(*read);
  }
  result.cluster = plan::ClusterState::reachable;
  result.topic = facts_of(*described, std::move(config));
  return result;
}

}  // namespace millrace::controller
