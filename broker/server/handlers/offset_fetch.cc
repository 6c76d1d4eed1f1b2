#include "broker/protocol/messages/offset_fetch.h"

#include <optional>
#include <string>
#include <vector>

#include "broker/coordinator/group_coordinator.h"
#include "broker/metadata/image_store.h"
#include "broker/protocol/error_code.h"
#include "broker/server/handler.h"
#include "broker/server/handlers/group_answer.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {
namespace {

using coordinator::FetchOffsetsReply;
using protocol::ErrorCode;
using protocol::OffsetFetchRequest;
using protocol::OffsetFetchResponse;

constexpr int16_t kTopLevelErrorSince = 2;
constexpr int16_t kGroupsSince = 8;
constexpr int16_t kTopicIdSince = 10;

// One group of the request, whichever version it came in.
struct Asked {
  struct Topic {
    std::string name;  // "" when its id is unknown
    Uuid id;
    std::vector<int32_t> partitions;
  };
  std::string group;
  std::optional<std::vector<Topic>> topics;  // none: all
};

std::vector<Asked> asked_groups(const metadata::ClusterImage& image, OffsetFetchRequest& request, int16_t version) {
  std::vector<Asked> groups;
  if (version < kGroupsSince) {
    Asked& only = groups.emplace_back();
    only.group = std::move(request.group_id);
    if (request.topics) {
      only.topics.emplace();
      for (auto& topic : *request.topics) {
        only.topics->push_back({std::move(topic.name), {}, std::move(topic.partition_indexes)});
      }
    }
    return groups;
  }
  for (auto& source : request.groups) {
    Asked& asked = groups.emplace_back();
    asked.group = std::move(source.group_id);
    if (!source.topics) continue;
    asked.topics.emplace();
    for (auto& topic : *source.topics) {
      std::string name = std::move(topic.name);
      if (version >= kTopicIdSince) {
        const metadata::TopicImage* found = image.find_topic(topic.topic_id);
        name = found != nullptr ? found->name : "";
      }
      asked.topics->push_back({std::move(name), topic.topic_id, std::move(topic.partition_indexes)});
    }
  }
  return groups;
}

coordinator::FetchOffsetsCommand command_of(const Asked& asked) {
  coordinator::FetchOffsetsCommand command;
  command.group = asked.group;
  if (!asked.topics) return command;
  command.topics.emplace();
  for (const Asked::Topic& topic : *asked.topics) {
    std::vector<PartitionIndex> partitions(topic.partitions.begin(), topic.partitions.end());
    command.topics->emplace_back(topic.name, std::move(partitions));
  }
  return command;
}

template <class Partition>
Partition partition_of(PartitionIndex index, const coordinator::CommittedOffset& offset, ErrorCode error) {
  Partition partition;
  partition.partition_index = index.value();
  partition.committed_offset = offset.offset.value();
  partition.committed_leader_epoch = offset.leader_epoch.value();
  partition.metadata = offset.metadata;
  partition.error_code = static_cast<int16_t>(error);
  return partition;
}

OffsetFetchResponse single_group(const Asked& asked, const FetchOffsetsReply& reply, int16_t version) {
  using Topic = OffsetFetchResponse::OffsetFetchResponseTopic;
  using Partition = OffsetFetchResponse::OffsetFetchResponsePartition;
  OffsetFetchResponse response;
  if (reply.error != coordinator::GroupErrc::none) {
    response.error_code = wire(reply.error);
    if (version >= kTopLevelErrorSince || !asked.topics) return response;
    // Version 1 has no other place for it.
    for (const Asked::Topic& topic : *asked.topics) {
      Topic& to = response.topics.emplace_back();
      to.name = topic.name;
      for (int32_t index : topic.partitions) {
        to.partitions.push_back(
            partition_of<Partition>(PartitionIndex{index}, {}, static_cast<ErrorCode>(wire(reply.error))));
      }
    }
    return response;
  }
  for (const auto& [name, partitions] : reply.topics) {
    Topic& to = response.topics.emplace_back();
    to.name = name;
    for (const auto& [index, offset] : partitions) {
      to.partitions.push_back(partition_of<Partition>(index, offset, ErrorCode::none));
    }
  }
  return response;
}

OffsetFetchResponse::OffsetFetchResponseGroup group_of(const metadata::ClusterImage& image, const Asked& asked,
                                                       const FetchOffsetsReply& reply, int16_t version) {
  using Topic = OffsetFetchResponse::OffsetFetchResponseTopics;
  using Partition = OffsetFetchResponse::OffsetFetchResponsePartitions;
  OffsetFetchResponse::OffsetFetchResponseGroup group;
  group.group_id = asked.group;
  group.error_code = wire(reply.error);
  if (reply.error != coordinator::GroupErrc::none) return group;
  for (size_t i = 0; i < reply.topics.size(); ++i) {
    const auto& [name, partitions] = reply.topics[i];
    Topic to;
    to.name = name;
    ErrorCode error = ErrorCode::none;
    if (version >= kTopicIdSince && asked.topics) {
      to.topic_id = (*asked.topics)[i].id;
      if (name.empty()) error = ErrorCode::unknown_topic_id;
    } else if (version >= kTopicIdSince) {
      const metadata::TopicImage* topic = image.find_topic(name);
      if (topic == nullptr) continue;  // deleted since; it has no id to be named by
      to.topic_id = topic->id;
    }
    for (const auto& [index, offset] : partitions) {
      to.partitions.push_back(partition_of<Partition>(index, offset, error));
    }
    group.topics.push_back(std::move(to));
  }
  return group;
}

}  // namespace

// require_stable needs nothing: there are no transactions whose offsets could be pending.
void handle_offset_fetch(Services& services, RequestContext context, OffsetFetchRequest request,
                         Reply<OffsetFetchResponse> reply) {
  const int16_t version = context.version;
  const metadata::ImagePointer image = services.images->load();
  auto asked = std::make_shared<const std::vector<Asked>>(asked_groups(*image, request, version));
  Gather<FetchOffsetsReply>::run(
      asked->size(),
      [&](size_t i, std::function<void(FetchOffsetsReply)> done) {
        services.groups->fetch_offsets(command_of((*asked)[i]), std::move(done));
      },
      [image, asked, version, shared = share(std::move(reply))](const std::vector<FetchOffsetsReply>& replies) {
        if (version < kGroupsSince) return shared->send(single_group(asked->front(), replies.front(), version));
        OffsetFetchResponse response;
        for (size_t i = 0; i < replies.size(); ++i) {
          response.groups.push_back(group_of(*image, (*asked)[i], replies[i], version));
        }
        shared->send(response);
      });
}

void run_offset_fetch(RawRequest request) { run_typed<&handle_offset_fetch>(std::move(request)); }

}  // namespace millrace::server::handlers
