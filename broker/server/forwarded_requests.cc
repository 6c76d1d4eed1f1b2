#include "broker/server/forwarded_requests.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "broker/protocol/frame.h"

namespace millrace::server {
namespace {

// Takes the one reply of a request that came without a connection.
class ForwardedReply final : public ReplySink {
 public:
  explicit ForwardedReply(ControllerRoute::Done done) : done_(std::move(done)) {}

  void complete(uint64_t, Outcome, OutputChain frame, std::chrono::milliseconds) override {
    std::string bytes;
    bytes.reserve(frame.size());
    for (const OutputChain::Piece& piece : frame.pieces()) {
      const Bytes* memory = std::get_if<Bytes>(&piece);
      ENSURE(memory != nullptr);  // no API for the controller answers with a part of a file
      bytes += memory->text();
    }
    done_(Bytes::copy_of(std::string_view(bytes).substr(sizeof(int32_t))));  // the transport has a size of its own
  }
  bool is_open() const override { return true; }
  void refuse(uint64_t, CloseReason, std::string_view detail) override {
    done_(Error{Errc::connection_closed, std::string(detail)});
  }

 private:
  const ControllerRoute::Done done_;
};

}  // namespace

void ForwardedRequests::serve(Bytes frame, std::string client_host, std::string listener, ControllerRoute::Done done) {
  const Result<protocol::RequestFrame> header = protocol::decode_request_frame(frame);
  if (!header) return done(Error{Errc::malformed, "request header: " + header.error().to_string()});
  const auto handler = std::find_if(handlers_.begin(), handlers_.end(),
                                    [&](const Handler& row) { return static_cast<int16_t>(row.api) == header->api; });
  if (handler == handlers_.end() || !handler->on_controller || header->version < handler->version_min ||
      header->version > handler->version_max) {
    return done(Error{Errc::unsupported_version, "API key " + std::to_string(header->api) + " version " +
                                                     std::to_string(header->version) + " is not for the controller"});
  }
  auto info = std::make_shared<ConnectionInfo>();
  info->peer.host = std::move(client_host);
  info->listener = std::move(listener);
  info->loop = &loop_;
  RequestContext context{
      .api = handler->api,
      .version = header->version,
      .correlation_id = header->correlation_id,
      .client_id = std::make_shared<const std::string>(header->client_id ? std::string(*header->client_id) : ""),
      .connection = std::move(info),
      .received_at = services_.clock->now(),
  };
  Bytes body = frame.slice(header->body_at, frame.size() - header->body_at);
  auto sink = std::make_shared<ForwardedReply>(std::move(done));
  loop_.post([this, run = handler->run, context = std::move(context), body = std::move(body), sink]() mutable {
    ReplySlot reply(sink, 0, context.api, context.version, context.correlation_id);
    run(RawRequest{services_, std::move(context), std::move(body), std::move(reply)});
  });
}

}  // namespace millrace::server
