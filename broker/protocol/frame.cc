#include "broker/protocol/frame.h"

#include "broker/protocol/reader.h"
#include "broker/protocol/writer.h"

namespace millrace::protocol {

Result<RequestFrame> decode_request_frame(const Bytes& frame) {
  Reader reader(frame);
  RequestFrame header;
  header.api = reader.int16();
  header.version = reader.int16();
  header.correlation_id = reader.int32();
  TRY(reader.status());
  const ApiInfo* api = find_api(header.api);
  if (api == nullptr) return Error{Errc::not_found, "api key " + std::to_string(header.api)};
  header.client_id = reader.nullable_string(false);
  if (request_header_version(api->key, header.version) >= 2) reader.skip_tags();
  TRY(reader.status());
  header.body_at = frame.size() - reader.remaining();
  return header;
}

void begin_request(Writer& writer, ApiKey api, int16_t version, int32_t correlation_id,
                   const std::optional<std::string>& client_id) {
  writer.int32(0);
  writer.int16(static_cast<int16_t>(api));
  writer.int16(version);
  writer.int32(correlation_id);
  writer.nullable_string(client_id, false);
  if (request_header_version(api, version) >= 2) writer.no_tags();
}

void begin_response(Writer& writer, ApiKey api, int16_t version, int32_t correlation_id) {
  writer.int32(0);
  writer.int32(correlation_id);
  if (response_header_version(api, version) >= 1) writer.no_tags();
}

OutputChain finish_frame(Writer& writer) {
  writer.patch_int32(0, static_cast<int32_t>(writer.size() - sizeof(int32_t)));
  return writer.take();
}

}  // namespace millrace::protocol
