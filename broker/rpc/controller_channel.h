#pragma once

#include <memory>

#include "broker/control/controller_calls.h"
#include "broker/rpc/channels.h"
#include "broker/rpc/unary_service.h"

namespace millrace::rpc {

// control::ControllerChannel over gRPC. Thread-safe; outlives its calls, each of which ends within its timeout.
class GrpcControllerChannel final : public control::ControllerChannel {
 public:
  explicit GrpcControllerChannel(Channels& channels) : channels_(channels) {}
  void call(BrokerId controller, control::ControllerCall call, Duration timeout, control::ControllerDone done) override;

 private:
  Channels& channels_;
};

// The service that other brokers call; to be registered with the RpcServer. `server` outlives the RpcServer.
std::unique_ptr<UnaryService> make_controller_service(const Identity& self, Admission admission,
                                                      control::ControllerServer& server);

}  // namespace millrace::rpc
