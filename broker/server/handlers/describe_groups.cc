#include "broker/protocol/messages/describe_groups.h"

#include "broker/coordinator/group_coordinator.h"
#include "broker/server/handler.h"
#include "broker/server/handlers/group_answer.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {
namespace {

using coordinator::GroupDescription;
using coordinator::GroupErrc;
using protocol::DescribeGroupsRequest;
using protocol::DescribeGroupsResponse;

constexpr int16_t kNotFoundSince = 6;

// Bit n: the ACL operation of code n. Nothing is forbidden to anybody yet: read, delete, describe, …configs.
constexpr int32_t kGroupOperations = (1 << 3) | (1 << 6) | (1 << 8) | (1 << 10) | (1 << 11);

DescribeGroupsResponse::DescribedGroup described(GroupDescription group, bool with_operations, int16_t version) {
  DescribeGroupsResponse::DescribedGroup to;
  if (group.error == GroupErrc::group_id_not_found) {
    if (version >= kNotFoundSince) to.error_message = "Group " + group.id + " not found.";
    // Before version 6 a missing group is a dead one.
    if (version < kNotFoundSince) group.error = GroupErrc::none;
  }
  to.error_code = wire(group.error);
  to.group_id = std::move(group.id);
  to.group_state = std::move(group.state);
  to.protocol_type = std::move(group.protocol_type);
  to.protocol_data = std::move(group.protocol);
  if (with_operations && group.error == GroupErrc::none) to.authorized_operations = kGroupOperations;
  for (coordinator::DescribedMember& member : group.members) {
    DescribeGroupsResponse::DescribedGroupMember& out = to.members.emplace_back();
    out.member_id = std::move(member.id);
    out.group_instance_id = std::move(member.instance_id);
    out.client_id = std::move(member.client_id);
    out.client_host = std::move(member.client_host);
    out.member_metadata = std::move(member.metadata);
    out.member_assignment = std::move(member.assignment);
  }
  return to;
}

}  // namespace

void handle_describe_groups(Services& services, RequestContext context, DescribeGroupsRequest request,
                            Reply<DescribeGroupsResponse> reply) {
  const int16_t version = context.version;
  const bool with_operations = request.include_authorized_operations;
  Gather<GroupDescription>::run(
      request.groups.size(),
      [&](size_t i, std::function<void(GroupDescription)> done) {
        services.groups->describe(request.groups[i], std::move(done));
      },
      [version, with_operations, shared = share(std::move(reply))](std::vector<GroupDescription> groups) {
        DescribeGroupsResponse response;
        for (GroupDescription& group : groups) {
          response.groups.push_back(described(std::move(group), with_operations, version));
        }
        shared->send(response);
      });
}

void run_describe_groups(RawRequest request) { run_typed<&handle_describe_groups>(std::move(request)); }

}  // namespace millrace::server::handlers
