#pragma once

#include <functional>
#include <memory>
#include <string>

#include "broker/base/result.h"
#include "broker/io/network.h"

namespace millrace::app {

struct HttpOptions {
  io::Endpoint at;                         // port 0: any free one
  std::function<std::string()> metrics;    // Prometheus text; called on a thread of the endpoints
  std::function<std::string()> not_ready;  // why the node is not ready; "" when it is
  std::function<std::string()> note;       // what its operator should know though it is ready; "" or empty: nothing
  std::string version;
};

// /metrics, /healthz, /readyz and /version, on threads of their own, at most kThreads at work and kQueuedMax waiting.
// Serves from open() until destroyed.
class HttpEndpoints {
 public:
  static constexpr size_t kThreads = 2, kQueuedMax = 64;
  // in_use naming the address when the port is taken; invalid_argument when it is no address of this machine.
  static Result<std::unique_ptr<HttpEndpoints>> open(HttpOptions options);
  ~HttpEndpoints();
  const io::Endpoint& at() const;

 private:
  struct State;
  explicit HttpEndpoints(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace millrace::app
