#include "broker/rpc/rpc_server.h"

#include <utility>

#include <grpc/support/time.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "broker/base/ensure.h"
#include "broker/rpc/channels.h"
#include "broker/rpc/stream_service.h"
#include "broker/rpc/wire/grpc_runtime.h"

namespace millrace::rpc {
struct RpcServer::State {
  explicit State(RpcServerOptions server_options)
      : options(std::move(server_options)), streams(options.streams, options.self, options.admission) {}
  const RpcServerOptions options;
  StreamService streams;
  io::Endpoint at;
  std::unique_ptr<grpc::Server> server;
};

RpcLoops::RpcLoops() {
  prepare_grpc();
  builder_ = std::make_unique<grpc::ServerBuilder>();
}
RpcLoops::~RpcLoops() = default;

Result<std::unique_ptr<QueueEventLoop>> RpcLoops::start(const std::string& name, const Clock& clock) {
  ENSURE(builder_ != nullptr);
  return QueueEventLoop::start(name, clock, builder_->AddCompletionQueue(!std::exchange(has_first_, true)));
}

RpcServer::RpcServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
RpcServer::~RpcServer() { stop(Duration::zero()); }

Result<std::unique_ptr<RpcServer>> RpcServer::open(RpcLoops& loops, RpcServerOptions options) {
  ENSURE(loops.builder_ != nullptr && loops.has_first_);
  const std::unique_ptr<grpc::ServerBuilder> once = std::move(loops.builder_);
  grpc::ServerBuilder& builder = *once;
  auto state = std::make_unique<State>(std::move(options));
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
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kWindowBytes);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.SetMaxReceiveMessageSize(static_cast<int>(state->options.message_bytes_max));
  builder.SetMaxSendMessageSize(-1);
  for (UnaryService* service : state->options.services) builder.RegisterService(service);
  builder.RegisterService(&state->streams);
  state->server = builder.BuildAndStart();
  if (state->server == nullptr || port == 0) return Error{Errc::in_use, "millrace.rpc.listener " + at.to_string()};
  state->at = {at.host, static_cast<uint16_t>(port)};
  state->streams.serve();
  for (UnaryService* service : state->options.services) service->serve(*state->options.unary_loop);
  return std::unique_ptr<RpcServer>(new RpcServer(std::move(state)));
}

const io::Endpoint& RpcServer::at() const { return state_->at; }

void RpcServer::stop(Duration grace) {
  if (state_->server == nullptr) return;
  const gpr_timespec wait =
      gpr_time_from_millis(std::chrono::duration_cast<std::chrono::milliseconds>(grace).count(), GPR_TIMESPAN);
  state_->server->Shutdown(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), wait));
  state_->streams.calls().wait_for_none();
  for (UnaryService* service : state_->options.services) service->calls().wait_for_none();
  state_->server.reset();
}

}  // namespace millrace::rpc
