#include "operator/app/operator_runtime.h"

#include "operator/admin/grpc_cluster_admin.h"
#include "operator/app/metrics_text.h"

namespace millrace::app {

Result<std::unique_ptr<OperatorRuntime>> OperatorRuntime::start(const RuntimeOptions& options) {
  std::unique_ptr<OperatorRuntime> runtime(new OperatorRuntime());
  TRY_ASSIGN(runtime->loop_, io::posix::EpollEventLoop::start("admin"));
  runtime->kafka_ = std::make_unique<admin::WireConnector>(
      admin::WireOptions{.network = &runtime->network_, .loop = runtime->loop_.get()});
  runtime->brokers_ = std::make_unique<admin::GrpcClusterAdminConnector>();
  TRY_ASSIGN(runtime->controller_, controller::Controller::start({.kube = options.kube,
                                                                  .kafka = runtime->kafka_.get(),
                                                                  .brokers = runtime->brokers_.get(),
                                                                  .clock = options.clock,
                                                                  .defaults = options.defaults,
                                                                  .name_space = options.name_space}));
  TRY_ASSIGN(runtime->http_,
             HttpEndpoint::start(
                 {.host = options.http_host,
                  .port = options.http_port,
                  .metrics = [controller = runtime->controller_.get()] { return metrics_text(controller->metrics()); },
                  .is_ready = [] { return true; }}));
  return runtime;
}

OperatorRuntime::~OperatorRuntime() {
  http_.reset();
  // Calls in progress end when the loop does, so that a broker that does not answer cannot hold up the stop.
  if (loop_) loop_->stop();
  controller_.reset();
  brokers_.reset();
  kafka_.reset();
}

std::string product_version() { return MILLRACE_VERSION; }

}  // namespace millrace::app
