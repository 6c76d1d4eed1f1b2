#pragma once

#include <map>
#include <string>
#include <vector>

#include <grpcpp/impl/service_type.h>

#include "broker/rpc/byte_stream.h"
#include "broker/rpc/calls_under_way.h"

namespace millrace::rpc {

class QueueEventLoop;

// The methods of an RpcServer that peers open streams to, each with its acceptor. Whoever opens one is looked at first:
// identity and admission. Each stream is on its acceptor's loop, which is asked when the one before it has come: no
// call changes threads, and raft's are never behind record data. Outlives the server, which starts it by serve().
class StreamService final : public grpc::Service {
 public:
  StreamService(std::map<std::string, ByteStreamAcceptor*> streams, Identity self, Admission admission);

  void serve();
  CallsUnderWay& calls() { return calls_; }

 private:
  friend class ServerStream;
  struct Method {
    std::string name;
    ByteStreamAcceptor* acceptor;
  };
  void take_next(int index);

  const Identity self_;
  const Admission admission_;
  std::vector<Method> methods_;
  CallsUnderWay calls_;
};

}  // namespace millrace::rpc
