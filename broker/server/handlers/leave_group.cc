#include "broker/protocol/messages/leave_group.h"

#include "broker/coordinator/group_coordinator.h"
#include "broker/server/handler.h"
#include "broker/server/handlers/group_answer.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {
namespace {

using protocol::LeaveGroupRequest;
using protocol::LeaveGroupResponse;

constexpr int16_t kMembersSince = 3;

LeaveGroupResponse response_of(std::vector<coordinator::LeavingMember> members,
                               const std::vector<coordinator::GroupErrc>& errors, int16_t version) {
  LeaveGroupResponse response;
  if (version < kMembersSince || (!errors.empty() && is_coordinator_error(errors.front()))) {
    response.error_code = wire(errors.front());
    return response;
  }
  for (size_t i = 0; i < members.size(); ++i) {
    LeaveGroupResponse::MemberResponse& to = response.members.emplace_back();
    to.member_id = std::move(members[i].member_id);
    to.group_instance_id = std::move(members[i].instance_id);
    to.error_code = wire(errors[i]);
  }
  return response;
}

}  // namespace

void handle_leave_group(Services& services, RequestContext context, LeaveGroupRequest request,
                        Reply<LeaveGroupResponse> reply) {
  const int16_t version = context.version;
  std::vector<coordinator::LeavingMember> members;
  if (version < kMembersSince) {
    members.push_back({std::move(request.member_id), std::nullopt});
  } else {
    for (LeaveGroupRequest::MemberIdentity& member : request.members) {
      members.push_back({std::move(member.member_id), std::move(member.group_instance_id)});
    }
  }
  services.groups->leave(
      {.group = std::move(request.group_id), .members = members},
      [version, members, shared = share(std::move(reply))](const coordinator::LeaveReply& left) mutable {
        shared->send(response_of(std::move(members), left.members, version));
      });
}

void run_leave_group(RawRequest request) { run_typed<&handle_leave_group>(std::move(request)); }

}  // namespace millrace::server::handlers
