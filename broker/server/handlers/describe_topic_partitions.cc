#include "broker/protocol/messages/describe_topic_partitions.h"

#include <algorithm>
#include <set>

#include "broker/metadata/image_store.h"
#include "broker/metadata/topic_name.h"
#include "broker/server/handler.h"
#include "broker/server/handlers/cluster_answer.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {
namespace {

using metadata::ClusterImage;
using protocol::DescribeTopicPartitionsRequest;
using protocol::DescribeTopicPartitionsResponse;
using protocol::ErrorCode;

constexpr int32_t kPartitionsMax = 2000;  // of one reply, whatever is asked

constexpr int16_t code_of(ErrorCode error) { return static_cast<int16_t>(error); }

// The names asked for from the cursor on, sorted; all topics when none is named.
std::set<std::string> names_from_cursor(const ClusterImage& image, const DescribeTopicPartitionsRequest& request) {
  std::set<std::string> names;
  for (const auto& topic : request.topics) names.insert(topic.name);
  if (request.topics.empty()) {
    for (const auto& [name, topic] : image.topics()) names.insert(name);
  }
  if (request.cursor) names.erase(names.begin(), names.lower_bound(request.cursor->topic_name));
  return names;
}

void add_partition(auto& topic, const ClusterImage& image, const metadata::PartitionImage& partition, int32_t index,
                   const std::string& listener) {
  auto& out = topic.partitions.emplace_back();
  const LeaderAnswer leader = leader_on(image, partition, listener);
  out.error_code = code_of(leader.error);
  out.partition_index = index;
  out.leader_id = leader.leader;
  out.leader_epoch = partition.leader_epoch.value();
  out.replica_nodes = ids_of(partition.replicas);
  out.isr_nodes = ids_of(partition.isr);
  out.offline_replicas = offline_of(image, partition.replicas);
  // Null is legal here, but Java's admin client fails on it.
  out.eligible_leader_replicas.emplace();
  out.last_known_elr.emplace();
}

DescribeTopicPartitionsResponse answer(const ClusterImage& image, const DescribeTopicPartitionsRequest& request,
                                       const std::string& listener) {
  DescribeTopicPartitionsResponse response;
  int32_t left = std::clamp(request.response_partition_limit, 1, kPartitionsMax);
  for (const std::string& name : names_from_cursor(image, request)) {
    const metadata::TopicImage* topic = image.find_topic(name);
    int32_t index = request.cursor && request.cursor->topic_name == name ? request.cursor->partition_index : 0;
    if (left == 0) {
      auto& next = response.next_cursor.emplace();
      next.topic_name = name;
      next.partition_index = index;
      return response;
    }
    auto& out = response.topics.emplace_back();
    out.name = name;
    out.is_internal = metadata::is_internal_topic(name);
    if (topic == nullptr) {
      out.error_code = code_of(metadata::check_topic_name(name) ? ErrorCode::unknown_topic_or_partition
                                                                : ErrorCode::invalid_topic_exception);
      continue;
    }
    out.topic_id = topic->id;
    out.topic_authorized_operations = kTopicOperations;
    const int32_t count = static_cast<int32_t>(topic->partitions.size());
    for (; index < count && left > 0; ++index, --left) {
      add_partition(out, image, topic->partitions[static_cast<size_t>(index)], index, listener);
    }
    if (index < count) {
      auto& next = response.next_cursor.emplace();
      next.topic_name = name;
      next.partition_index = index;
      return response;
    }
  }
  return response;
}

void handle_describe_topic_partitions(Services& services, RequestContext context,
                                      DescribeTopicPartitionsRequest request,
                                      Reply<DescribeTopicPartitionsResponse> reply) {
  if (request.cursor && request.cursor->partition_index < 0) {
    DescribeTopicPartitionsResponse response;  // the reply has no error of its own
    for (const auto& topic : request.topics) {
      auto& out = response.topics.emplace_back();
      out.name = topic.name;
      out.error_code = code_of(ErrorCode::invalid_request);
    }
    return reply.send(response);
  }
  reply.send(answer(*services.images->load(), request, context.connection->listener));
}

}  // namespace

void run_describe_topic_partitions(RawRequest request) {
  run_typed<&handle_describe_topic_partitions>(std::move(request));
}

}  // namespace millrace::server::handlers
