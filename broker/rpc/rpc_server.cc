#include "broker/rpc/rpc_server.h"

#include <utility>

#include <grpc/support/time.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "broker/rpc/caller.h"
#include "broker/rpc/channels.h"
#include "broker/rpc/pipe.h"
#include "broker/rpc/wire/grpc_runtime.h"

namespace millrace::rpc {
namespace {

class ServerStream final : public Pipe, public grpc::ServerGenericBidiReactor {
 public:
  ServerStream(io::EventLoop& loop, grpc::GenericCallbackServerContext& context) : Pipe(loop), context_(context) {}

  void accept(const Identity& self, Identity caller, ByteStreamAcceptor& acceptor) {
    open();
    add_identity(context_, self);
    StartSendInitialMetadata();
    auto pipe = std::static_pointer_cast<ServerStream>(shared_from_this());
    loop().post([pipe, &acceptor, caller = std::move(caller)] {
      ByteStreamEvents* events = acceptor.accept(std::make_unique<PipeStream>(pipe), caller);
      if (events == nullptr) {
        pipe->end(Error{Errc::overloaded, "not served here now"});
        return;
      }
      pipe->use(*events);
      pipe->read_next();
    });
  }

 private:
  void start_read(grpc::ByteBuffer* into) override { StartRead(into); }
  void start_write(const grpc::ByteBuffer* from) override { StartWrite(from); }
  void cancel() override { context_.TryCancel(); }
  void release(const Error& why) override {
    Finish(why.code == Errc::overloaded ? grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, why.context)
                                        : grpc::Status::OK);
  }

  void OnReadDone(bool ok) override { read_done(ok); }
  void OnWriteDone(bool ok) override { write_done(ok); }
  void OnCancel() override { end(Error{Errc::connection_closed, {}}); }
  void OnDone() override { done(Error{Errc::connection_closed, {}}); }

  grpc::GenericCallbackServerContext& context_;
};

// A call that ends as it begins.
class Refusal final : public grpc::ServerGenericBidiReactor {
 public:
  explicit Refusal(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

class StreamService final : public grpc::CallbackGenericService {
 public:
  explicit StreamService(const RpcServerOptions& options) : options_(options) {}

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    const auto found = options_.streams.find(context->method());
    if (found == options_.streams.end()) {
      return new Refusal(grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "no method " + context->method()));
    }
    Caller caller = identify(*context, options_.self, options_.admission);
    if (!caller.status.ok()) return new Refusal(caller.status);
    auto stream = std::make_shared<ServerStream>(found->second->loop_for_stream(), *context);
    stream->accept(options_.self, std::move(caller.identity), *found->second);
    return stream.get();  // which keeps itself until it is done
  }

 private:
  const RpcServerOptions& options_;
};

}  // namespace

struct RpcServer::State {
  explicit State(RpcServerOptions server_options) : options(std::move(server_options)), streams(options) {}
  const RpcServerOptions options;
  StreamService streams;
  io::Endpoint at;
  std::unique_ptr<grpc::Server> server;
};

RpcServer::RpcServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
RpcServer::~RpcServer() { stop(Duration::zero()); }

Result<std::unique_ptr<RpcServer>> RpcServer::open(RpcServerOptions options) {
  prepare_grpc();
  auto state = std::make_unique<State>(std::move(options));
  grpc::ServerBuilder builder;
  const io::Endpoint& at = state->options.at;
  const std::string address = at.host.find(':') == std::string::npos
                                  ? (at.host.empty() ? std::string("[::]") : at.host) + ":" + std::to_string(at.port)
                                  : "[" + at.host + "]:" + std::to_string(at.port);
  int port = 0;
  builder.AddListeningPort(
      address, state->options.credentials ? state->options.credentials : grpc::InsecureServerCredentials(), &port);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // a second broker on the port is an error, not a share
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(kKeepaliveAfter.count()));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, static_cast<int>(kKeepaliveTimeout.count()));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // no limit
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);        // callers ask as often as the server does
  builder.SetMaxReceiveMessageSize(static_cast<int>(state->options.message_bytes_max));
  builder.SetMaxSendMessageSize(-1);
  for (grpc::Service* service : state->options.services) builder.RegisterService(service);
  builder.RegisterCallbackGenericService(&state->streams);
  state->server = builder.BuildAndStart();
  if (state->server == nullptr || port == 0) return Error{Errc::in_use, "millrace.rpc.listener " + at.to_string()};
  state->at = {at.host, static_cast<uint16_t>(port)};
  return std::unique_ptr<RpcServer>(new RpcServer(std::move(state)));
}

const io::Endpoint& RpcServer::at() const { return state_->at; }

void RpcServer::stop(Duration grace) {
  if (state_->server == nullptr) return;
  const gpr_timespec wait =
      gpr_time_from_millis(std::chrono::duration_cast<std::chrono::milliseconds>(grace).count(), GPR_TIMESPAN);
  state_->server->Shutdown(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), wait));
  state_->server.reset();
}

}  // namespace millrace::rpc
