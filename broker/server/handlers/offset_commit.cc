#include "broker/protocol/messages/offset_commit.h"

#include "broker/coordinator/group_coordinator.h"
#include "broker/metadata/image_store.h"
#include "broker/protocol/error_code.h"
#include "broker/server/handler.h"
#include "broker/server/handlers/group_answer.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {
namespace {

using protocol::ErrorCode;
using protocol::OffsetCommitRequest;
using protocol::OffsetCommitResponse;

constexpr int16_t kTopicIdSince = 10;
constexpr int16_t kGroupNotFoundSince = 9;

// Where in the response the answer to each item of the command goes.
using Places = std::vector<std::pair<size_t, size_t>>;

bool exists(const metadata::TopicImage* topic, int32_t partition) {
  return topic != nullptr && partition >= 0 && static_cast<size_t>(partition) < topic->partitions.size();
}

}  // namespace

void handle_offset_commit(Services& services, RequestContext context, OffsetCommitRequest request,
                          Reply<OffsetCommitResponse> reply) {
  const int16_t version = context.version;
  const metadata::ImagePointer image = services.images->load();
  coordinator::CommitCommand command;
  command.group = std::move(request.group_id);
  command.member_id = std::move(request.member_id);
  command.instance_id = std::move(request.group_instance_id);
  command.generation = coordinator::Generation{request.generation_id_or_member_epoch};
  command.knows_group_not_found = version >= kGroupNotFoundSince;
  if (request.retention_time_ms >= 0) command.retention_ms = request.retention_time_ms;

  OffsetCommitResponse response;
  Places places;
  for (OffsetCommitRequest::OffsetCommitRequestTopic& asked : request.topics) {
    const metadata::TopicImage* topic =
        version >= kTopicIdSince ? image->find_topic(asked.topic_id) : image->find_topic(asked.name);
    OffsetCommitResponse::OffsetCommitResponseTopic& to = response.topics.emplace_back();
    to.name = asked.name;
    to.topic_id = asked.topic_id;
    for (OffsetCommitRequest::OffsetCommitRequestPartition& partition : asked.partitions) {
      OffsetCommitResponse::OffsetCommitResponsePartition& answer = to.partitions.emplace_back();
      answer.partition_index = partition.partition_index;
      if (topic == nullptr && version >= kTopicIdSince) {
        answer.error_code = static_cast<int16_t>(ErrorCode::unknown_topic_id);
      } else if (!exists(topic, partition.partition_index)) {
        answer.error_code = static_cast<int16_t>(ErrorCode::unknown_topic_or_partition);
      } else {
        places.emplace_back(response.topics.size() - 1, to.partitions.size() - 1);
        command.items.push_back({topic->name, PartitionIndex{partition.partition_index},
                                 Offset{partition.committed_offset}, LeaderEpoch{partition.committed_leader_epoch},
                                 std::move(partition.committed_metadata).value_or("")});
      }
    }
  }
  if (command.items.empty()) return reply.send(response);
  services.groups->commit_offsets(
      std::move(command), [response = std::move(response), places = std::move(places),
                           shared = share(std::move(reply))](const coordinator::CommitReply& committed) mutable {
        for (size_t i = 0; i < places.size(); ++i) {
          response.topics[places[i].first].partitions[places[i].second].error_code = wire(committed.items[i]);
        }
        shared->send(response);
      });
}

void run_offset_commit(RawRequest request) { run_typed<&handle_offset_commit>(std::move(request)); }

}  // namespace millrace::server::handlers
