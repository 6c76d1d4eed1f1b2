#pragma once

#include <optional>
#include <string>

#include "broker/base/output_chain.h"
#include "broker/base/result.h"
#include "broker/protocol/frame.h"
#include "broker/protocol/reader.h"
#include "broker/protocol/writer.h"

// Requests to frames, and frames to responses, for the files of wire_*.cc.
namespace millrace::admin {

template <class Request>
OutputChain encode_request(const Request& request, int16_t version, int32_t correlation_id,
                           const std::string& client_id) {
  protocol::Writer writer;
  protocol::begin_request(writer, Request::kApiKey, version, correlation_id, client_id);
  request.encode(writer, version);
  return protocol::finish_frame(writer);
}

template <class Request>
Result<typename Request::Response> decode_response(const Bytes& frame, int16_t version, int32_t correlation_id) {
  protocol::Reader reader(frame);
  const int32_t answered = reader.int32();
  if (protocol::response_header_version(Request::kApiKey, version) >= 1) reader.skip_tags();
  if (reader.ok() && answered != correlation_id) reader.fail("answers another request");
  typename Request::Response response;
  response.read(reader, version);
  if (reader.ok() && !reader.at_end()) reader.fail("has bytes after its last field");
  TRY(reader.status());
  return response;
}

}  // namespace millrace::admin
