// What WireClient asks about topics and the cluster, and the changes it makes.

#include <algorithm>
#include <utility>

#include "broker/protocol/messages/create_partitions.h"
#include "broker/protocol/messages/create_topics.h"
#include "broker/protocol/messages/delete_topics.h"
#include "broker/protocol/messages/describe_configs.h"
#include "broker/protocol/messages/incremental_alter_configs.h"
#include "broker/protocol/messages/list_partition_reassignments.h"
#include "broker/protocol/messages/metadata.h"
#include "operator/admin/wire_calls.h"
#include "operator/admin/wire_client.h"

namespace millrace::admin {

using protocol::ErrorCode;

namespace {

constexpr int8_t kTopicResource = 2;
constexpr int8_t kSetOnTopic = 1;  // DescribeConfigs: the value was set on the topic itself
constexpr int8_t kSet = 0;         // IncrementalAlterConfigs
constexpr int8_t kDelete = 1;
constexpr int16_t kFirstConfigSourceVersion = 1;

Error no_answer(const std::string& name) { return {Errc::malformed, "the answer has nothing about topic " + name}; }

TopicDescription describe(const protocol::MetadataResponse::MetadataResponseTopic& topic) {
  TopicDescription result{.name = topic.name.value_or(""), .id = topic.topic_id, .is_internal = topic.is_internal};
  const auto ids = [](const std::vector<int32_t>& numbers) {
    std::vector<BrokerId> brokers;
    for (const int32_t number : numbers) brokers.emplace_back(number);
    return brokers;
  };
  for (const auto& partition : topic.partitions) {
    result.partitions.push_back({.index = PartitionIndex(partition.partition_index),
                                 .leader = BrokerId(partition.leader_id),
                                 .replicas = ids(partition.replica_nodes),
                                 .in_sync = ids(partition.isr_nodes)});
  }
  std::sort(result.partitions.begin(), result.partitions.end(),
            [](const PartitionDescription& a, const PartitionDescription& b) { return a.index < b.index; });
  return result;
}

bool is_whole(const TopicDescription& topic) {
  return std::all_of(topic.partitions.begin(), topic.partitions.end(),
                     [](const PartitionDescription& one) { return one.in_sync.size() >= one.replicas.size(); });
}

}  // namespace

// While a partition moves, its replicas name those that come and those that go: a topic has as many as it will have.
Status WireClient::leave_out_those_that_go(std::vector<TopicDescription>& topics) {
  protocol::ListPartitionReassignmentsRequest request;
  request.timeout_ms = request_timeout_ms();
  request.topics.emplace();
  for (const TopicDescription& topic : topics) {
    if (is_whole(topic)) continue;
    auto& asked = request.topics->emplace_back();
    asked.name = topic.name;
    for (const auto& partition : topic.partitions) asked.partition_indexes.push_back(partition.index.value());
  }
  if (request.topics->empty()) return ok();
  const auto response = read(request);
  if (!response && response.error().code == Errc::unsupported_version) return ok();  // nothing moves there
  TRY(response);
  TRY(status_of(response->error_code, response->error_message, "the moves of replicas"));
  for (const auto& moving : response->topics) {
    const auto topic =
        std::find_if(topics.begin(), topics.end(), [&](const auto& each) { return each.name == moving.name; });
    if (topic == topics.end()) continue;
    for (const auto& move : moving.partitions) {
      for (PartitionDescription& partition : topic->partitions) {
        if (partition.index.value() != move.partition_index) continue;
        for (const int32_t gone : move.removing_replicas) std::erase(partition.replicas, BrokerId(gone));
      }
    }
  }
  return ok();
}

Result<WireClient::Brokers> WireClient::describe_brokers() {
  protocol::MetadataRequest request;
  request.topics.emplace();  // none of them
  request.allow_auto_topic_creation = false;
  TRY_ASSIGN(const protocol::MetadataResponse response, read(request));
  Brokers result{.controller = BrokerId(response.controller_id)};
  for (const auto& broker : response.brokers) {
    result.addresses[BrokerId(broker.node_id)] = {.host = broker.host, .port = static_cast<uint16_t>(broker.port)};
  }
  return result;
}

Result<std::vector<TopicDescription>> WireClient::describe_topics() {
  protocol::MetadataRequest request;
  request.topics.reset();  // all of them
  request.allow_auto_topic_creation = false;
  TRY_ASSIGN(const protocol::MetadataResponse response, read(request));
  std::vector<TopicDescription> result;
  for (const auto& topic : response.topics) result.push_back(describe(topic));
  TRY(leave_out_those_that_go(result));
  return result;
}

Result<std::optional<TopicDescription>> WireClient::describe_topic(const std::string& name) {
  protocol::MetadataRequest request;
  request.topics.emplace().emplace_back().name = name;
  request.allow_auto_topic_creation = false;
  TRY_ASSIGN(const protocol::MetadataResponse response, read(request));
  for (const auto& topic : response.topics) {
    if (topic.name != name) continue;
    const auto code = static_cast<ErrorCode>(topic.error_code);
    if (code == ErrorCode::unknown_topic_or_partition) return std::optional<TopicDescription>();
    if (code != ErrorCode::leader_not_available) TRY(status_of(topic.error_code, std::nullopt, "topic " + name));
    std::vector<TopicDescription> described{describe(topic)};
    TRY(leave_out_those_that_go(described));
    return std::optional(std::move(described.front()));
  }
  return no_answer(name);
}

Result<TopicConfig> WireClient::describe_topic_config(const std::string& name) {
  protocol::DescribeConfigsRequest request;
  auto& resource = request.resources.emplace_back();
  resource.resource_type = kTopicResource;
  resource.resource_name = name;
  resource.configuration_keys.reset();  // all of them
  TRY(ensure_link());
  TRY_ASSIGN(const int16_t version, version_for(protocol::ApiKey::describe_configs, {0, request.kMaxVersion}));
  if (version < kFirstConfigSourceVersion) return Error{Errc::unsupported_version, "DescribeConfigs of the broker"};
  TRY_ASSIGN(const protocol::DescribeConfigsResponse response, read(request));
  for (const auto& result : response.results) {
    if (result.resource_name != name) continue;
    TRY(status_of(result.error_code, result.error_message, "topic " + name));
    TopicConfig config;
    for (const auto& entry : result.configs) {
      if (entry.config_source == kSetOnTopic && entry.value) config[entry.name] = *entry.value;
    }
    return config;
  }
  return no_answer(name);
}

Status WireClient::create_topic(const NewTopic& topic) {
  protocol::CreateTopicsRequest request;
  request.timeout_ms = request_timeout_ms();
  auto& made = request.topics.emplace_back();
  made.name = topic.name;
  made.num_partitions = topic.partitions;
  made.replication_factor = static_cast<int16_t>(topic.replicas);
  for (const auto& [key, value] : topic.config) {
    auto& entry = made.configs.emplace_back();
    entry.name = key;
    entry.value = value;
  }
  return at_controller([&]() -> Status {
    TRY_ASSIGN(const protocol::CreateTopicsResponse response, call_once(request));
    for (const auto& result : response.topics) {
      if (result.name == topic.name) return status_of(result.error_code, result.error_message, "topic " + topic.name);
    }
    return no_answer(topic.name);
  });
}

Status WireClient::grow_topic(const std::string& name, int32_t count) {
  protocol::CreatePartitionsRequest request;
  request.timeout_ms = request_timeout_ms();
  auto& topic = request.topics.emplace_back();
  topic.name = name;
  topic.count = count;
  topic.assignments.reset();  // the broker places them
  return at_controller([&]() -> Status {
    TRY_ASSIGN(const protocol::CreatePartitionsResponse response, call_once(request));
    for (const auto& result : response.results) {
      if (result.name == name) return status_of(result.error_code, result.error_message, "topic " + name);
    }
    return no_answer(name);
  });
}

Status WireClient::alter_topic_config(const std::string& name, const std::vector<ConfigChange>& changes) {
  protocol::IncrementalAlterConfigsRequest request;
  auto& resource = request.resources.emplace_back();
  resource.resource_type = kTopicResource;
  resource.resource_name = name;
  for (const ConfigChange& change : changes) {
    auto& entry = resource.configs.emplace_back();
    entry.name = change.key;
    entry.config_operation = change.value ? kSet : kDelete;
    entry.value = change.value;
  }
  return at_controller([&]() -> Status {
    TRY_ASSIGN(const protocol::IncrementalAlterConfigsResponse response, call_once(request));
    for (const auto& result : response.responses) {
      if (result.resource_name == name) return status_of(result.error_code, result.error_message, "topic " + name);
    }
    return no_answer(name);
  });
}

Status WireClient::delete_topic(const std::string& name) {
  protocol::DeleteTopicsRequest request;
  request.timeout_ms = request_timeout_ms();
  request.topics.emplace_back().name = name;  // version 6 and newer
  request.topic_names.push_back(name);        // older ones
  return at_controller([&]() -> Status {
    TRY_ASSIGN(const protocol::DeleteTopicsResponse response, call_once(request));
    for (const auto& result : response.responses) {
      if (result.name == name) return status_of(result.error_code, result.error_message, "topic " + name);
    }
    return no_answer(name);
  });
}

}  // namespace millrace::admin
