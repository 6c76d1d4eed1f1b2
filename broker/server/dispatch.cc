#include "broker/server/dispatch.h"

#include <utility>

#include "broker/base/ensure.h"
#include "broker/protocol/frame.h"
#include "broker/server/connection.h"
#include "broker/server/controller_route.h"
#include "broker/server/services.h"

namespace millrace::server {

Dispatcher::Dispatcher(std::span<const Handler> handlers, Services& services, ServerMetrics& metrics)
    : handlers_(handlers), services_(services), metrics_(metrics) {
  ENSURE(handlers.size() <= kApisMax);
  row_of_key_.fill(-1);
  for (size_t row = 0; row < handlers.size(); ++row) {
    const auto key = static_cast<size_t>(handlers[row].api);
    ENSURE(key < kKeysMax && row_of_key_[key] < 0);
    row_of_key_[key] = static_cast<int8_t>(row);
  }
}

void Dispatcher::dispatch(Connection& connection, Bytes frame, uint64_t sequence, TimePoint received_at) {
  Result<protocol::RequestFrame> header = protocol::decode_request_frame(frame);
  if (!header) {
    const bool unknown = header.error().code == Errc::not_found;
    return connection.close(unknown ? CloseReason::unsupported : CloseReason::malformed,
                            "request header: " + header.error().to_string());
  }
  const int16_t key = header->api;
  const int8_t found =
      key >= 0 && static_cast<size_t>(key) < kKeysMax ? row_of_key_[static_cast<size_t>(key)] : int8_t{-1};
  if (found < 0) {
    return connection.close(CloseReason::unsupported, "API key " + std::to_string(key) + " is not served");
  }
  const auto row = static_cast<uint8_t>(found);
  const Handler& handler = handlers_[row];
  const bool is_known = header->version >= handler.version_min && header->version <= handler.version_max;
  // KIP-511: the handler says which versions there are; the body stays unread.
  const bool negotiates = handler.api == protocol::ApiKey::api_versions && header->version > handler.version_max;
  if (!is_known && !negotiates) {
    return connection.close(CloseReason::unsupported, "version " + std::to_string(header->version) + " of API key " +
                                                          std::to_string(key) + " is not served");
  }
  RequestContext context{
      .api = handler.api,
      .version = header->version,
      .correlation_id = header->correlation_id,
      .client_id = connection.client_id(header->client_id ? *header->client_id : std::string_view()),
      .connection = connection.info(),
      .received_at = received_at,
  };
  Bytes body = is_known ? frame.slice(header->body_at, frame.size() - header->body_at) : Bytes();
  connection.measure(sequence, metrics_.apis[row]);
  RawRequest request{
      services_, std::move(context), std::move(body),
      ReplySlot(connection.shared_from_this(), sequence, handler.api, header->version, header->correlation_id)};
  if (handler.on_controller && services_.route != nullptr && !services_.route->is_here()) {
    forward(handler, std::move(frame), std::move(request));
  } else {
    handler.run(std::move(request));
  }
}

void Dispatcher::forward(const Handler& handler, Bytes frame, RawRequest request) {
  auto held = std::make_shared<RawRequest>(std::move(request));
  services_.route->forward(std::move(frame), held->context, [run = handler.run, held](Result<Bytes> reply) {
    if (reply) return held->reply.send_frame(*reply);
    // This broker's handler, on its loop, says so in the words of its API: the controller is not here.
    held->context.loop().post([run, held] { run(std::move(*held)); });
  });
}

}  // namespace millrace::server
