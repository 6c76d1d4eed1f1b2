#include "broker/server/dispatch.h"

#include <utility>

#include "broker/base/ensure.h"
#include "broker/protocol/frame.h"
#include "broker/server/connection.h"

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
  handler.run(RawRequest{
      services_, std::move(context), std::move(body),
      ReplySlot(connection.shared_from_this(), sequence, handler.api, header->version, header->correlation_id)});
}

}  // namespace millrace::server
