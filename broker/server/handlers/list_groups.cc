#include "broker/protocol/messages/list_groups.h"

#include "broker/coordinator/group_coordinator.h"
#include "broker/server/handler.h"
#include "broker/server/handlers/group_answer.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {

using protocol::ListGroupsRequest;
using protocol::ListGroupsResponse;

void handle_list_groups(Services& services, RequestContext, ListGroupsRequest request,
                        Reply<ListGroupsResponse> reply) {
  services.groups->list({.states = std::move(request.states_filter), .types = std::move(request.types_filter)},
                        [shared = share(std::move(reply))](coordinator::ListReply listed) {
                          ListGroupsResponse response;
                          response.error_code = wire(listed.error);
                          for (coordinator::GroupListing& group : listed.groups) {
                            ListGroupsResponse::ListedGroup& to = response.groups.emplace_back();
                            to.group_id = std::move(group.id);
                            to.protocol_type = std::move(group.protocol_type);
                            to.group_state = coordinator::to_string(group.phase);
                            to.group_type = coordinator::kClassicGroupType;
                          }
                          shared->send(response);
                        });
}

void run_list_groups(RawRequest request) { run_typed<&handle_list_groups>(std::move(request)); }

}  // namespace millrace::server::handlers
