#pragma once

#include <memory>
#include <string>

#include "broker/io/posix/posix_loopback_ports.h"
#include "broker/io/posix/posix_process.h"
#include "operator/app/operator_runtime.h"
#include "operator/cli/world.h"
#include "operator/local/node.h"
#include "operator/local/store.h"
#include "operator/local/store_pump.h"

namespace millrace::cli {

// The backend and the operator of `millrace local up`, on real processes. The destructor stops the brokers cleanly;
// what they keep and the objects stay.
class LocalCluster {
 public:
  // `directory` is that of StateDir; `program_directory` holds millrace-broker.
  static Result<std::unique_ptr<LocalCluster>> start(World& world, const std::string& directory,
                                                     const std::string& program_directory, local::Store& store);
  uint16_t http_port() const { return runtime_->http_port(); }

 private:
  LocalCluster() = default;

  // In the order of construction; the operator stops first, then the brokers, then the watches.
  io::posix::PosixProcessRunner runner_;
  io::posix::PosixLoopbackPorts ports_;
  std::unique_ptr<local::StorePump> pump_;
  std::unique_ptr<local::Node> node_;
  std::unique_ptr<app::OperatorRuntime> runtime_;
};

}  // namespace millrace::cli
