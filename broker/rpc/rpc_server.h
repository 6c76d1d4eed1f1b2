#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/impl/service_type.h>
#include <grpcpp/security/server_credentials.h>

#include "broker/base/clock.h"
#include "broker/base/result.h"
#include "broker/io/network.h"
#include "broker/rpc/byte_stream.h"
#include "broker/rpc/wire/handshake.h"

namespace millrace::rpc {

struct RpcServerOptions {
  io::Endpoint at;  // port 0: any free one
  Identity self;
  Admission admission;                                   // may be empty
  std::shared_ptr<grpc::ServerCredentials> credentials;  // null: plaintext
  std::vector<grpc::Service*> services;                  // unary ones; outlive the server
  std::map<std::string, ByteStreamAcceptor*> streams;    // by method; outlive the server
  size_t message_bytes_max = 101 * 1024 * 1024;          // received
};

// The one port on which a broker serves other brokers and operators. Every call's caller is checked before anything of
// the call is read. Owner's thread but for the acceptors, which see the threads their contract names.
class RpcServer {
 public:
  // in_use, permission_denied, invalid_argument: as io::Network::listen.
  static Result<std::unique_ptr<RpcServer>> open(RpcServerOptions options);
  ~RpcServer();  // stop() without grace

  const io::Endpoint& at() const;
  // Refuses new calls, gives running unary ones `grace`, then ends everything. Loops of streams may have stopped.
  void stop(Duration grace);

 private:
  struct State;
  explicit RpcServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace millrace::rpc
