#include "broker/protocol/messages/unregister_broker.h"

#include "broker/metadata/controller.h"
#include "broker/server/handler.h"
#include "broker/server/handlers/admin_reply.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {
namespace {

using protocol::UnregisterBrokerRequest;
using protocol::UnregisterBrokerResponse;

void handle_unregister_broker(Services& services, RequestContext, UnregisterBrokerRequest request,
                              Reply<UnregisterBrokerResponse> reply) {
  auto held = std::make_shared<TimedReply<UnregisterBrokerResponse>>(std::move(reply));  // the request has no limit
  services.controller->unregister_broker({BrokerId{request.broker_id}}, [held](const Result<Unit>& gone) {
    UnregisterBrokerResponse response;
    set_outcome(response, gone);
    held->complete(response);
  });
}

}  // namespace

void run_unregister_broker(RawRequest request) { run_typed<&handle_unregister_broker>(std::move(request)); }

}  // namespace millrace::server::handlers
