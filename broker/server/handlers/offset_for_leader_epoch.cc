// OffsetForLeaderEpoch (23): where a leader epoch ended, so that a client can tell that its history was cut (KIP-320).

#include "broker/protocol/messages/offset_for_leader_epoch.h"

#include <utility>

#include "broker/server/error_map.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/handlers/partition_lookup.h"

namespace millrace::server::handlers {

namespace {

using protocol::OffsetForLeaderEpochRequest;
using protocol::OffsetForLeaderEpochResponse;

void handle_offset_for_leader_epoch(Services& services, RequestContext, OffsetForLeaderEpochRequest request,
                                    Reply<OffsetForLeaderEpochResponse> reply) {
  OffsetForLeaderEpochResponse response;
  for (const auto& topic : request.topics) {
    auto& topic_answer = response.topics.emplace_back();
    topic_answer.topic = topic.topic;
    for (const auto& asked : topic.partitions) {
      auto& answer = topic_answer.partitions.emplace_back();
      answer.partition = asked.partition;
      const PartitionLookup found = find_partition(services, topic.topic, {}, PartitionIndex{asked.partition});
      if (found.partition == nullptr) {
        answer.error_code = protocol::wire(found.error);
        continue;
      }
      const Result<storage::EpochEndOffset> end = found.partition->end_offset_for_epoch(
          LeaderEpoch{asked.leader_epoch}, LeaderEpoch{asked.current_leader_epoch});
      if (!end) {
        answer.error_code = protocol::wire(to_error_code(end.error().code));
        continue;
      }
      answer.leader_epoch = end->epoch.value();
      answer.end_offset = end->end_offset.value();
    }
  }
  reply.send(response);
}

}  // namespace

void run_offset_for_leader_epoch(RawRequest request) { run_typed<&handle_offset_for_leader_epoch>(std::move(request)); }

}  // namespace millrace::server::handlers
