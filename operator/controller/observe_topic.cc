#include <algorithm>
#include <optional>
#include <utility>

#include "operator/controller/observe.h"

namespace millrace::controller {

namespace {

// The oldest of the objects that describe the same topic, unless that is `topic`. What is being deleted does not count.
// The index is asked first and the API server about what it names, so that the cost is one object, not all.
Result<std::string> older_rival(kube::Client& kube, TopicIndex& index, const api::KafkaTopic& topic) {
  if (!index.is_listed(topic.name_space)) TRY(list_topics(kube, index, topic.name_space));
  index.put(topic.object);
  size_t rank = 0;
  while (const std::optional<std::string> name = index.older_than(topic, rank)) {
    const Result<kube::Object> object = kube.get({"KafkaTopic", topic.name_space, *name});
    if (!object && object.error().code != Errc::not_found) return object.error();
    if (!object) {
      index.forget(topic.name_space, *name, "");
      continue;
    }
    index.put(*object);  // it may be a new life of the name, with another claim
    const std::optional<std::string> now = index.older_than(topic, rank);
    if (now != name) continue;
    if (!object->is_deleting() && api::KafkaTopic::from(*object)) return *name;
    ++rank;
  }
  return std::string();
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

Result<std::vector<kube::Object>> list_topics(kube::Client& kube, TopicIndex& index, const std::string& name_space) {
  const uint64_t begun = index.begin_list();
  TRY_ASSIGN(std::vector<kube::Object> objects, kube.list("KafkaTopic", name_space, {}));
  for (const kube::Object& object : objects) index.put(object);
  index.end_list(name_space, begun);
  return objects;
}

Result<plan::TopicObserved> observe_topic(kube::Client& kube, KafkaClients& clients, TopicIndex& index,
                                          const api::KafkaTopic& topic) {
  plan::TopicObserved result;
  TRY_ASSIGN(result.rival, older_rival(kube, index, topic));
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
  result.brokers = cluster->replicas;
  TRY_ASSIGN(const std::vector<plan::PodFacts> pods, observe_pods(kube, topic.name_space, topic.cluster));
  result.ready_brokers = static_cast<int32_t>(std::count_if(
      pods.begin(), pods.end(), [](const plan::PodFacts& pod) { return pod.is_ready && !pod.is_deleting; }));
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
