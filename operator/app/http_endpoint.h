#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "broker/base/result.h"

namespace httplib {
class Server;
}

namespace millrace::app {

struct HttpOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 0;                     // 0: any that is free
  std::function<std::string()> metrics;  // called on the server's threads
  std::function<bool()> is_ready;
};

// The operator's /metrics, /healthz (the process serves) and /readyz (it has begun to work), on threads of its own.
class HttpEndpoint {
 public:
  // Errors: in_use, naming the address.
  static Result<std::unique_ptr<HttpEndpoint>> start(HttpOptions options);
  ~HttpEndpoint();
  uint16_t port() const { return port_; }

 private:
  explicit HttpEndpoint(HttpOptions options);

  const HttpOptions options_;
  std::unique_ptr<httplib::Server> server_;
  uint16_t port_ = 0;
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

}  // namespace millrace::app
