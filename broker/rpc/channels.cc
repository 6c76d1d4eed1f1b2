#include "broker/rpc/channels.h"

#include <utility>

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/channel_arguments.h>

#include "broker/base/ensure.h"
#include "broker/rpc/pipe.h"
#include "broker/rpc/wire/grpc_runtime.h"

namespace millrace::rpc {
namespace {

class ClientStream final : public Pipe {
 public:
  ClientStream(QueueEventLoop& loop, const Identity& self, BrokerId called)
      : Pipe(loop), self_identity_(self), called_(called) {
    for (const auto& [name, value] : to_metadata(self)) context_.AddMetadata(name, value);
  }

  void call(const std::shared_ptr<grpc::Channel>& channel, const std::string& method) {
    open();
    call_ = grpc::GenericStub(channel).PrepareCall(&context_, method, loop().queue());
    begin();
    call_->StartCall(started_.tag());
  }
  // There is nobody to call.
  void fail(const Error& why) {
    open();
    set_outcome(why);
    loop().post([pipe = std::static_pointer_cast<ClientStream>(shared_from_this())] { pipe->over(); });
  }

 private:
  void start_read(grpc::ByteBuffer* into, void* tag) override { call_->Read(into, tag); }
  void start_write(const grpc::ByteBuffer& from, void* tag) override { call_->Write(from, tag); }
  void cancel() override { context_.TryCancel(); }
  void peer_ended() override {}
  Status may_take_frame() override {
    if (identified_) return ok();
    return Error{Errc::malformed, context_.peer() + " does not say which broker it is"};
  }

  void started(bool) {
    begin();
    call_->ReadInitialMetadata(has_metadata_.tag());
    allow_writes();
    ended();
  }
  // From here on the call's status is waited for, which comes when there is nothing more to read.
  void has_metadata(bool ok) {
    begin();
    call_->Finish(&status_, finished_.tag());
    if (ok && !is_ending()) {
      if (const Status good = look_at_server(); !good) {
        end(good.error());
        cancel();
      }
    }
    if (ok) read_next();
    ended();
  }
  // A call that the server refuses has no initial metadata of ours; its status tells why.
  Status look_at_server() {
    CallMetadata metadata;
    for (const auto& [name, value] : context_.GetServerInitialMetadata()) {
      metadata.emplace(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
    }
    if (metadata.find("millrace-node") == metadata.end()) return ok();
    TRY_ASSIGN(const Identity server, from_metadata(metadata));
    TRY(check_server(self_identity_, server, called_, context_.peer()));
    identified_ = true;
    return ok();
  }
  void finished(bool) {
    set_outcome(to_error(status_, {}));
    ended();
  }

  const Identity self_identity_;
  const BrokerId called_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::Status status_;
  bool identified_ = false;
  MemberTag<ClientStream> started_{*this, &ClientStream::started};
  MemberTag<ClientStream> has_metadata_{*this, &ClientStream::has_metadata};
  MemberTag<ClientStream> finished_{*this, &ClientStream::finished};
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
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kWindowBytes);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
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
  auto* polling = dynamic_cast<QueueEventLoop*>(&loop);
  ENSURE(polling != nullptr && polling->is_current());
  auto stream = std::make_shared<ClientStream>(*polling, options_.self, broker);
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
