#pragma once

#include <utility>

#include "operator/admin/wire_call.h"
#include "operator/admin/wire_client.h"

// How WireClient makes one call, for the files that know the requests.
namespace millrace::admin {

template <class Request>
Result<typename Request::Response> WireClient::call_once(const Request& request) {
  TRY(ensure_link());
  TRY_ASSIGN(const int16_t version, version_for(Request::kApiKey, {Request::kMinVersion, Request::kMaxVersion}));
  const int32_t correlation_id = next_correlation_id_++;
  Result<Bytes> frame = exchange(encode_request(request, version, correlation_id, options_.client_id));
  if (!frame) {
    drop_link();
    return std::move(frame).error();
  }
  Result<typename Request::Response> response = decode_response<Request>(*frame, version, correlation_id);
  if (!response) drop_link();
  return response;
}

template <class Request>
Result<typename Request::Response> WireClient::read(const Request& request) {
  const bool kept = link_ != nullptr;
  Result<typename Request::Response> response = call_once(request);
  if (response || !kept || !is_unreachable(response.error().code)) return response;
  return call_once(request);  // the broker was restarted since the last call
}

}  // namespace millrace::admin
