#include "broker/protocol/messages/sync_group.h"

#include "broker/coordinator/group_coordinator.h"
#include "broker/server/handler.h"
#include "broker/server/handlers/group_answer.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {

using protocol::SyncGroupRequest;
using protocol::SyncGroupResponse;

void handle_sync_group(Services& services, RequestContext, SyncGroupRequest request, Reply<SyncGroupResponse> reply) {
  coordinator::SyncCommand command;
  command.group = std::move(request.group_id);
  command.member_id = std::move(request.member_id);
  command.instance_id = std::move(request.group_instance_id);
  command.generation = coordinator::Generation{request.generation_id};
  command.protocol_type = std::move(request.protocol_type);
  command.protocol = std::move(request.protocol_name);
  for (SyncGroupRequest::SyncGroupRequestAssignment& assignment : request.assignments) {
    // A copy, because it stays as long as the member does and a slice would keep the frame.
    command.assignments.emplace_back(std::move(assignment.member_id), Bytes::copy_of(assignment.assignment.view()));
  }
  services.groups->sync(std::move(command), [shared = share(std::move(reply))](coordinator::SyncReply synced) {
    SyncGroupResponse response;
    response.error_code = wire(synced.error);
    response.protocol_type = std::move(synced.protocol_type);
    response.protocol_name = std::move(synced.protocol);
    response.assignment = std::move(synced.assignment);
    shared->send(response);
  });
}

void run_sync_group(RawRequest request) { run_typed<&handle_sync_group>(std::move(request)); }

}  // namespace millrace::server::handlers
