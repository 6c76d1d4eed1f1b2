#include "operator/app/operator_runtime.h"

#include "operator/app/metrics_text.h"

namespace millrace::app {

Result<std::unique_ptr<OperatorRuntime>> OperatorRuntime::start(const RuntimeOptions& options) {
  std::unique_ptr<OperatorRuntime> runtime(new OperatorRuntime());
  TRY_ASSIGN(runtime->loop_, io::posix::EpollEventLoop::start("admin"));
  runtime->connector_ = std::make_unique<admin::WireConnector>(
      admin::WireOptions{.network = &runtime->network_, .loop = runtime->loop_.get()});
  TRY_ASSIGN(runtime->controller_, controller::Controller::start({.kube = options.kube,
                                                                  .connector = runtime->connector_.get(),
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
  connector_.reset();
}

std::string product_version() { return MILLRACE_VERSION; }

}  // namespace millrace::app
