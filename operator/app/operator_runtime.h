#pragma once

#include <memory>
#include <string>

#include "broker/base/clock.h"
#include "broker/io/posix/epoll_event_loop.h"
#include "broker/io/posix/epoll_network.h"
#include "operator/admin/cluster_admin.h"
#include "operator/admin/wire_client.h"
#include "operator/app/http_endpoint.h"
#include "operator/controller/controller.h"
#include "operator/kube/client.h"

namespace millrace::app {

struct RuntimeOptions {
  kube::Client* kube = nullptr;  // of either backend
  const Clock* clock = nullptr;
  desired::Defaults defaults;
  std::string name_space;  // "": all
  std::string http_host = "127.0.0.1";
  uint16_t http_port = 0;
};

// The operator in a process: everything but the backend, in the order of construction. Stops when destroyed.
class OperatorRuntime {
 public:
  // Errors: io (no threads or descriptors), in_use (the HTTP port), those of kube::Client::watch.
  static Result<std::unique_ptr<OperatorRuntime>> start(const RuntimeOptions& options);
  ~OperatorRuntime();
  uint16_t http_port() const { return http_->port(); }

 private:
  OperatorRuntime() = default;

  io::posix::EpollNetwork network_;
  std::unique_ptr<io::posix::EpollEventLoop> loop_;
  std::unique_ptr<admin::WireConnector> kafka_;
  std::unique_ptr<admin::ClusterAdminConnector> brokers_;
  std::unique_ptr<controller::Controller> controller_;
  std::unique_ptr<HttpEndpoint> http_;
};

// The version of this build, such as "0.1.0".
std::string product_version();

}  // namespace millrace::app
