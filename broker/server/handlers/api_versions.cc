#include "broker/protocol/messages/api_versions.h"

#include <algorithm>
#include <string_view>

#include "broker/metadata/features.h"
#include "broker/metadata/image_store.h"
#include "broker/protocol/error_code.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {
namespace {

using protocol::ApiVersionsRequest;
using protocol::ApiVersionsResponse;
using protocol::ErrorCode;

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

// KIP-511: letters and digits, with '-' and '.' between them.
bool is_software_name(std::string_view text) {
  return !text.empty() && is_letter_or_digit(text.front()) && is_letter_or_digit(text.back()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_letter_or_digit(c) || c == '-' || c == '.'; });
}

ApiVersionsResponse::ApiVersion range_of(const Handler& handler) {
  ApiVersionsResponse::ApiVersion range;
  range.api_key = static_cast<int16_t>(handler.api);
  range.min_version = handler.advertised_min;
  range.max_version = handler.version_max;
  return range;
}

}  // namespace

// What is served, from the handler table, and the features of this build and of the cluster. Of those that clients know
// none needs more here than the presence of its APIs.
void handle_api_versions(Services& services, RequestContext context, ApiVersionsRequest request,
                         Reply<ApiVersionsResponse> reply) {
  ApiVersionsResponse response;
  for (const Handler& handler : services.handlers) response.api_keys.push_back(range_of(handler));
  for (const auto& [name, range] : metadata::own_features()) {
    response.supported_features.push_back({.name = name, .min_version = range.min, .max_version = range.max});
  }
  const metadata::ImagePointer image = services.images->load();
  // Java ignores what comes with an unknown epoch, -1.
  response.finalized_features_epoch = std::max<int64_t>(image->applied.value(), 0);
  for (const auto& [name, level] : image->features) {
    response.finalized_features.push_back({.name = name, .max_version_level = level, .min_version_level = level});
  }
  const bool named = context.version >= 3;
  if (named && !(is_software_name(request.client_software_name) && is_software_name(request.client_software_version))) {
    response.error_code = static_cast<int16_t>(ErrorCode::invalid_request);
  }
  reply.send(response);
}

void run_api_versions(RawRequest request) {
  const std::span<const Handler> handlers = request.services.handlers;
  const auto own = std::find_if(handlers.begin(), handlers.end(),
                                [&](const Handler& handler) { return handler.api == request.context.api; });
  if (own != handlers.end() && request.context.version > own->version_max) {
    // A version from the future: its body is not read, and the answer is one that every client can read.
    ApiVersionsResponse response;
    response.error_code = static_cast<int16_t>(ErrorCode::unsupported_version);
    response.api_keys.push_back(range_of(*own));
    return Reply<ApiVersionsResponse>(std::move(request.reply)).send_as(response, 0);
  }
  run_typed<&handle_api_versions>(std::move(request));
}

}  // namespace millrace::server::handlers
