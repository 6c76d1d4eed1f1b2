#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "broker/base/bytes.h"
#include "broker/base/output_chain.h"
#include "broker/base/result.h"
#include "broker/protocol/api_key.h"

namespace millrace::protocol {

class Writer;

// The header of a request, of either version; its client id is a classic string in both.
struct RequestFrame {
  int16_t api = 0;  // as sent; may be unknown
  int16_t version = 0;
  int32_t correlation_id = 0;
  std::optional<std::string> client_id;
  size_t body_at = 0;  // where the body begins in the frame
};

// `frame` is what follows the int32 size. malformed when the header does not fit; not_found when the api key is unknown
// (nothing after the correlation id is decoded then). A version outside the API's schema is read with the nearest
// header version: the caller refuses it.
Result<RequestFrame> decode_request_frame(const Bytes& frame);

// Begins a frame: room for its size, then the header. finish_frame fills in the size.
void begin_request(Writer& writer, ApiKey api, int16_t version, int32_t correlation_id,
                   const std::optional<std::string>& client_id);
void begin_response(Writer& writer, ApiKey api, int16_t version, int32_t correlation_id);
OutputChain finish_frame(Writer& writer);

}  // namespace millrace::protocol
