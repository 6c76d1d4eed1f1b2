#include "broker/rpc/channels.h"

#include <utility>

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/channel_arguments.h>

#include "broker/rpc/pipe.h"
#include "broker/rpc/wire/grpc_runtime.h"

namespace millrace::rpc {
namespace {

class ClientStream final : public Pipe, private grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  ClientStream(io::EventLoop& loop, const Identity& self, BrokerId called)
      : Pipe(loop), self_identity_(self), called_(called) {
    for (const auto& [name, value] : to_metadata(self)) context_.AddMetadata(name, value);
  }

  void call(const std::shared_ptr<grpc::Channel>& channel, const std::string& method) {
    open();
    stub_ = std::make_unique<grpc::GenericStub>(channel);
    stub_->PrepareBidiStreamingCall(&context_, method, grpc::StubOptions(), this);
    AddHold();
    StartCall();
  }
  // There is nobody to call.
  void fail(const Error& why) {
    open();
    done(why);
  }

 private:
  void start_read(grpc::ByteBuffer* into) override { StartRead(into); }
  void start_write(const grpc::ByteBuffer* from) override { StartWrite(from); }
  void cancel() override { context_.TryCancel(); }
  void release(const Error&) override { RemoveHold(); }

  void OnReadInitialMetadataDone(bool ok) override {
    if (!ok) {
      end(Error{Errc::connection_closed, {}});
      return;
    }
    CallMetadata metadata;
    for (const auto& [name, value] : context_.GetServerInitialMetadata()) {
      metadata.emplace(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
    }
    // A call that the server refuses has no initial metadata of ours; its status tells why.
    if (metadata.find("millrace-node") == metadata.end()) {
      read_next();
      return;
    }
    Result<Identity> server = from_metadata(metadata);
    const Status good = server ? check_server(self_identity_, *server, called_, context_.peer()) : server.error();
    if (good) {
      identified_.store(true, std::memory_order_release);
      read_next();
    } else {
      context_.TryCancel();
      end(good.error());
    }
  }
  void OnReadDone(bool ok) override {
    if (ok && !identified_.load(std::memory_order_acquire)) {
      context_.TryCancel();
      end(Error{Errc::malformed, context_.peer() + " does not say which broker it is"});
      return;
    }
    read_done(ok);
  }
  void OnWriteDone(bool ok) override { write_done(ok); }
  void OnDone(const grpc::Status& status) override { done(to_error(status, {})); }

  const Identity self_identity_;
  const BrokerId called_;
  std::unique_ptr<grpc::GenericStub> stub_;
  grpc::ClientContext context_;
  std::atomic<bool> identified_{false};
};

}  // namespace

Channels::Channels(ChannelsOptions options) : options_(std::move(options)) { prepare_grpc(); }

std::shared_ptr<grpc::Channel> Channels::make(const io::Endpoint& at, Purpose purpose) const {
  grpc::ChannelArguments arguments;
  // Channels with unequal arguments share no connection.
  arguments.SetInt("millrace.purpose", static_cast<int>(purpose));
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, static_cast<int>(kReconnectMin.count()));
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, static_cast<int>(kConnectTimeout.count()));  // its real meaning
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, static_cast<int>(kReconnectMax.count()));
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, static_cast<int>(kLookUpPause.count()));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(kKeepaliveAfter.count()));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, static_cast<int>(kKeepaliveTimeout.count()));
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // no limit
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(static_cast<int>(options_.message_bytes_max));
  arguments.SetMaxSendMessageSize(-1);
  return grpc::CreateCustomChannel(
      target_of(at), options_.credentials ? options_.credentials : grpc::InsecureChannelCredentials(), arguments);
}

Result<std::shared_ptr<grpc::Channel>> Channels::to(BrokerId broker, Purpose purpose) {
  TRY_ASSIGN(const io::Endpoint at, options_.address_of(broker));
  MutexLock lock(mutex_);
  Known& known = known_[{broker, purpose}];
  if (known.channel == nullptr || known.at.host != at.host || known.at.port != at.port) {
    known = {at, make(at, purpose)};
  }
  return known.channel;
}

std::unique_ptr<ByteStream> Channels::open_stream(BrokerId broker, Purpose purpose, const std::string& method,
                                                  io::EventLoop& loop, ByteStreamEvents& events) {
  auto stream = std::make_shared<ClientStream>(loop, options_.self, broker);
  stream->use(events);
  auto handle = std::make_unique<PipeStream>(stream);
  if (auto channel = to(broker, purpose)) {
    stream->call(*channel, method);
  } else {
    stream->fail(channel.error());
  }
  return handle;
}

}  // namespace millrace::rpc
