#include "broker/server/reply.h"

#include "broker/base/endian.h"
#include "broker/base/ensure.h"
#include "broker/protocol/frame.h"
#include "broker/protocol/writer.h"
#include "broker/server/handler.h"

namespace millrace::server {

ReplySlot::~ReplySlot() { ENSURE(sink_ == nullptr || !sink_->is_open()); }

std::shared_ptr<ReplySink> ReplySlot::take_sink() {
  ENSURE(sink_ != nullptr);
  return std::exchange(sink_, nullptr);
}

void ReplySlot::encode_and_send(EncodeBody encode, const void* response, int16_t body_version,
                                std::chrono::milliseconds mute_for) {
  const std::shared_ptr<ReplySink> sink = take_sink();
  if (!sink->is_open()) return;
  protocol::Writer writer;
  protocol::begin_response(writer, api_, body_version, correlation_id_);
  encode(response, body_version, writer);
  const auto outcome = is_last_ ? ReplySink::Outcome::last_reply : ReplySink::Outcome::reply;
  sink->complete(sequence_, outcome, protocol::finish_frame(writer), mute_for);
}

void ReplySlot::send_frame(const Bytes& frame) {
  Bytes size = Bytes::uninitialized(sizeof(int32_t));
  store_big_endian(size.mutable_data(), static_cast<int32_t>(frame.size()));
  OutputChain chain;
  chain.append(std::move(size));
  chain.append(frame);
  take_sink()->complete(sequence_, ReplySink::Outcome::reply, std::move(chain), {});
}

void ReplySlot::no_response() { take_sink()->complete(sequence_, ReplySink::Outcome::no_response, {}, {}); }

void ReplySlot::close_connection(std::string_view reason, CloseReason kind) {
  take_sink()->refuse(sequence_, kind, reason);
}

void refuse_body(RawRequest request, const Error& error) {
  request.reply.close_connection("API key " + std::to_string(static_cast<int>(request.context.api)) + " version " +
                                     std::to_string(request.context.version) + ": " + error.to_string(),
                                 CloseReason::malformed);
}

}  // namespace millrace::server
