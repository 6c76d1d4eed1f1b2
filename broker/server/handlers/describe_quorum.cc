#include "broker/protocol/messages/describe_quorum.h"

#include <algorithm>

#include "broker/control/quorum_membership.h"
#include "broker/metadata/cluster_image.h"
#include "broker/server/handler.h"
#include "broker/server/handlers/admin_reply.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/handlers/quorum_answer.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {
namespace {

using control::QuorumDescription;
using control::QuorumReplica;
using protocol::DescribeQuorumRequest;
using protocol::DescribeQuorumResponse;

constexpr const char* kListener = "CONTROLLER";  // the name under which tools show where voters reach each other

void describe(DescribeQuorumResponse::PartitionData& out, const QuorumDescription& quorum) {
  set_outcome(out, Unit{});
  out.leader_id = quorum.leader.value();
  out.leader_epoch = static_cast<int32_t>(std::min<int64_t>(quorum.epoch, INT32_MAX));
  out.high_watermark = quorum.high_watermark.value();
  for (const QuorumReplica& replica : quorum.replicas) {
    const bool votes = replica.kind == QuorumReplica::Kind::voter;
    auto& state = (votes ? out.current_voters : out.observers).emplace_back();
    state.replica_id = replica.name.id.value();
    state.replica_directory_id = replica.name.directory_id;
    state.log_end_offset = replica.log_end.value();
    state.last_fetch_timestamp = replica.heard_ms;
    state.last_caught_up_timestamp = replica.caught_up_ms;
  }
}

void add_nodes(DescribeQuorumResponse& response, const QuorumDescription& quorum) {
  for (const QuorumReplica& replica : quorum.replicas) {
    if (replica.kind != QuorumReplica::Kind::voter) continue;
    auto& node = response.nodes.emplace_back();
    node.node_id = replica.name.id.value();
    if (replica.rpc.host.empty()) continue;
    auto& listener = node.listeners.emplace_back();
    listener.name = kListener;
    listener.host = replica.rpc.host;
    listener.port = replica.rpc.port;
  }
}

// Of all topics there is one whose quorum can be asked for: the metadata log, which has one partition.
void handle_describe_quorum(Services& services, RequestContext, DescribeQuorumRequest request,
                            Reply<DescribeQuorumResponse> reply) {
  DescribeQuorumResponse response;
  const Result<QuorumDescription> quorum = quorum_of(services).describe();
  if (!quorum) {
    set_outcome(response, quorum.error());
    return reply.send(response);
  }
  set_outcome(response, Unit{});
  bool described = false;
  for (const auto& topic : request.topics) {
    auto& topic_out = response.topics.emplace_back();
    topic_out.topic_name = topic.topic_name;
    for (const auto& partition : topic.partitions) {
      auto& out = topic_out.partitions.emplace_back();
      out.partition_index = partition.partition_index;
      if (topic.topic_name == metadata::kMetadataTopic && partition.partition_index == 0) {
        if (!std::exchange(described, true)) {
          describe(out, *quorum);
          continue;
        }
        set_outcome(out, Error{Errc::invalid_argument, "the partition is in the request more than once"});
      } else {
        set_outcome(out, Error{Errc::unknown_topic_or_partition,
                               topic.topic_name + "-" + std::to_string(partition.partition_index) + " has no quorum"});
      }
      out.leader_id = out.leader_epoch = -1;
      out.high_watermark = -1;
    }
  }
  if (described) add_nodes(response, *quorum);
  reply.send(response);
}

}  // namespace

void run_describe_quorum(RawRequest request) { run_typed<&handle_describe_quorum>(std::move(request)); }

}  // namespace millrace::server::handlers
