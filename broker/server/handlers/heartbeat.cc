#include "broker/protocol/messages/heartbeat.h"

#include "broker/coordinator/group_coordinator.h"
#include "broker/server/handler.h"
#include "broker/server/handlers/group_answer.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {

using protocol::HeartbeatRequest;
using protocol::HeartbeatResponse;

void handle_heartbeat(Services& services, RequestContext, HeartbeatRequest request, Reply<HeartbeatResponse> reply) {
  coordinator::HeartbeatCommand command{.group = std::move(request.group_id),
                                        .member_id = std::move(request.member_id),
                                        .instance_id = std::move(request.group_instance_id),
                                        .generation = coordinator::Generation{request.generation_id}};
  services.groups->heartbeat(std::move(command), [shared = share(std::move(reply))](coordinator::GroupErrc error) {
    HeartbeatResponse response;
    response.error_code = wire(error);
    shared->send(response);
  });
}

void run_heartbeat(RawRequest request) { run_typed<&handle_heartbeat>(std::move(request)); }

}  // namespace millrace::server::handlers
