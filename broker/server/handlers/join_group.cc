#include "broker/protocol/messages/join_group.h"

#include "broker/coordinator/group_coordinator.h"
#include "broker/server/handler.h"
#include "broker/server/handlers/group_answer.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {
namespace {

using protocol::JoinGroupRequest;
using protocol::JoinGroupResponse;

constexpr int16_t kRebalanceTimeoutSince = 1;
constexpr int16_t kKnownIdSince = 4;
constexpr int16_t kNullProtocolSince = 7;
constexpr int16_t kSkipAssignmentSince = 9;

JoinGroupResponse response_of(coordinator::JoinReply joined, int16_t version) {
  JoinGroupResponse response;
  response.error_code = wire(joined.error);
  response.generation_id = joined.generation.value();
  response.protocol_type = std::move(joined.protocol_type);
  response.protocol_name = std::move(joined.protocol);
  if (!response.protocol_name && version < kNullProtocolSince) response.protocol_name = "";
  response.leader = std::move(joined.leader);
  response.skip_assignment = joined.skip_assignment;
  response.member_id = std::move(joined.member_id);
  for (coordinator::JoinedMember& member : joined.members) {
    JoinGroupResponse::JoinGroupResponseMember& to = response.members.emplace_back();
    to.member_id = std::move(member.id);
    to.group_instance_id = std::move(member.instance_id);
    to.metadata = std::move(member.metadata);
  }
  return response;
}

}  // namespace

void handle_join_group(Services& services, RequestContext context, JoinGroupRequest request,
                       Reply<JoinGroupResponse> reply) {
  const int16_t version = context.version;
  coordinator::JoinCommand command;
  command.group = std::move(request.group_id);
  command.member_id = std::move(request.member_id);
  command.instance_id = std::move(request.group_instance_id);
  command.protocol_type = std::move(request.protocol_type);
  command.session_timeout_ms = request.session_timeout_ms;
  command.rebalance_timeout_ms =
      version < kRebalanceTimeoutSince ? request.session_timeout_ms : request.rebalance_timeout_ms;
  command.client_id = *context.client_id;
  command.client_host = "/" + context.client_host();  // as Kafka writes it
  command.needs_known_id = version >= kKnownIdSince;
  command.can_skip_assignment = version >= kSkipAssignmentSince;
  for (JoinGroupRequest::JoinGroupRequestProtocol& protocol : request.protocols) {
    // A copy, because it stays as long as the member does and a slice would keep the frame.
    command.protocols.push_back({std::move(protocol.name), Bytes::copy_of(protocol.metadata.view())});
  }
  services.groups->join(std::move(command), [version, shared = share(std::move(reply))](coordinator::JoinReply joined) {
    shared->send(response_of(std::move(joined), version));
  });
}

void run_join_group(RawRequest request) { run_typed<&handle_join_group>(std::move(request)); }

}  // namespace millrace::server::handlers
