// InitProducerId (22): a producer id of their own for idempotent producers.

#include "broker/protocol/messages/init_producer_id.h"

#include <memory>
#include <utility>

#include "broker/server/error_map.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/handlers/producer_ids.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {

namespace {

using protocol::ErrorCode;
using protocol::InitProducerIdRequest;
using protocol::InitProducerIdResponse;

InitProducerIdResponse refused(ErrorCode code) {
  InitProducerIdResponse response;
  response.error_code = protocol::wire(code);
  response.producer_id = kNoProducerId.value();
  response.producer_epoch = kNoProducerEpoch.value();
  return response;
}

void handle_init_producer_id(Services& services, RequestContext, InitProducerIdRequest request,
                             Reply<InitProducerIdResponse> reply) {
  if (request.transactional_id) {
    // There are no transactions yet; clients take this for a broker that is too old for them.
    return reply.send(
        refused(request.transactional_id->empty() ? ErrorCode::invalid_request : ErrorCode::unsupported_version));
  }
  // A producer that names the id it had gets a new one: without a transactional id nothing ties it to the old one.
  auto shared_reply = std::make_shared<Reply<InitProducerIdResponse>>(std::move(reply));
  services.producer_ids->take([shared_reply](Result<ProducerId> taken) {
    if (!taken) return shared_reply->send(refused(to_error_code(taken.error().code)));
    InitProducerIdResponse response;
    response.producer_id = taken->value();
    response.producer_epoch = 0;
    shared_reply->send(response);
  });
}

}  // namespace

void run_init_producer_id(RawRequest request) { run_typed<&handle_init_producer_id>(std::move(request)); }

}  // namespace millrace::server::handlers
