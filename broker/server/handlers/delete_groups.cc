#include "broker/protocol/messages/delete_groups.h"

#include "broker/coordinator/group_coordinator.h"
#include "broker/server/handler.h"
#include "broker/server/handlers/group_answer.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {

using coordinator::GroupErrc;
using protocol::DeleteGroupsRequest;
using protocol::DeleteGroupsResponse;

void handle_delete_groups(Services& services, RequestContext, DeleteGroupsRequest request,
                          Reply<DeleteGroupsResponse> reply) {
  auto names = std::make_shared<const std::vector<std::string>>(std::move(request.groups_names));
  Gather<GroupErrc>::run(
      names->size(),
      [&](size_t i, std::function<void(GroupErrc)> done) { services.groups->remove((*names)[i], std::move(done)); },
      [names, shared = share(std::move(reply))](const std::vector<GroupErrc>& errors) {
        DeleteGroupsResponse response;
        for (size_t i = 0; i < names->size(); ++i) {
          DeleteGroupsResponse::DeletableGroupResult& to = response.results.emplace_back();
          to.group_id = (*names)[i];
          to.error_code = wire(errors[i]);
          if (errors[i] == GroupErrc::group_id_not_found) to.error_message = "Group " + to.group_id + " not found.";
          if (errors[i] == GroupErrc::non_empty_group) to.error_message = "Group " + to.group_id + " has members.";
        }
        shared->send(response);
      });
}

void run_delete_groups(RawRequest request) { run_typed<&handle_delete_groups>(std::move(request)); }

}  // namespace millrace::server::handlers
