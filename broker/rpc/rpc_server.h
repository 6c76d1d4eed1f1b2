#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/completion_queue.h>
#include <grpcpp/security/server_credentials.h>

#include "broker/base/clock.h"
#include "broker/base/result.h"
#include "broker/io/network.h"
#include "broker/rpc/byte_stream.h"
#include "broker/rpc/queue_event_loop.h"
#include "broker/rpc/unary_service.h"
#include "broker/rpc/wire/handshake.h"

namespace grpc {
class ServerBuilder;
}

namespace millrace::rpc {

// The loops of a server that is opened later; they serve their owners' own calls to others meanwhile, and always. Each
// polls the connections of its calls. New connections are polled by the first loop as well, for gRPC cannot take one
// from a loop again: that is to be the busiest, to which every connection that another loop does not hold at the
// moment is handed, and from which it is taken when it is busy otherwise.
class RpcLoops {
 public:
  RpcLoops();
  ~RpcLoops();
  RpcLoops(const RpcLoops&) = delete;
  RpcLoops& operator=(const RpcLoops&) = delete;

  // As QueueEventLoop::start(). Not after RpcServer::open(). The loops outlive this.
  Result<std::unique_ptr<QueueEventLoop>> start(const std::string& name, const Clock& clock);

 private:
  friend class RpcServer;
  std::unique_ptr<grpc::ServerBuilder> builder_;
  bool has_first_ = false;
};

struct RpcServerOptions {
  io::Endpoint at;  // port 0: any free one
  Identity self;
  Admission admission;                                   // may be empty
  std::shared_ptr<grpc::ServerCredentials> credentials;  // null: plaintext
  QueueEventLoop* unary_loop = nullptr;                  // of the services
  std::vector<UnaryService*> services;                   // outlive the server
  std::map<std::string, ByteStreamAcceptor*> streams;    // by method; outlive the server
  size_t message_bytes_max = 101 * 1024 * 1024;          // received
};

// The one port on which a broker serves other brokers and operators. Every call's caller is checked before anything of
// the call is read. Owner's thread but for the acceptors and services, which see the threads their contracts name.
class RpcServer {
 public:
  // Once for `loops`, which has at least one. in_use, permission_denied, invalid_argument: as io::Network::listen.
  static Result<std::unique_ptr<RpcServer>> open(RpcLoops& loops, RpcServerOptions options);
  ~RpcServer();  // stop() without grace

  const io::Endpoint& at() const;
  // Refuses new calls, gives running unary ones `grace`, then ends everything, on the loops, which still run.
  void stop(Duration grace);

 private:
  struct State;
  explicit RpcServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace millrace::rpc
