#include "operator/app/http_endpoint.h"

#include <utility>

#include <httplib.h>

namespace millrace::app {

namespace {

constexpr size_t kThreads = 2;
constexpr size_t kRequestBytesMax = 64 << 10;
constexpr int kTimeoutSeconds = 5;
constexpr const char* kText = "text/plain; charset=utf-8";
constexpr const char* kMetrics = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace

HttpEndpoint::HttpEndpoint(HttpOptions options)
    : options_(std::move(options)), server_(std::make_unique<httplib::Server>()) {
  server_->new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  // The library's own choice, SO_REUSEPORT, would share a port that is taken.
  server_->set_socket_options([](socket_t socket) {
    const int yes = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  server_->set_payload_max_length(kRequestBytesMax);
  server_->set_read_timeout(kTimeoutSeconds);
  server_->set_write_timeout(kTimeoutSeconds);
  server_->set_keep_alive_max_count(1);
  server_->Get("/healthz",
               [](const httplib::Request&, httplib::Response& response) { response.set_content("ok\n", kText); });
  server_->Get("/readyz", [this](const httplib::Request&, httplib::Response& response) {
    const bool ready = options_.is_ready();
    response.status = ready ? 200 : 503;
    response.set_content(ready ? "ok\n" : "starting\n", kText);
  });
  server_->Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
    response.set_content(options_.metrics(), kMetrics);
  });
}

Result<std::unique_ptr<HttpEndpoint>> HttpEndpoint::start(HttpOptions options) {
  std::unique_ptr<HttpEndpoint> endpoint(new HttpEndpoint(std::move(options)));
  const HttpOptions& wanted = endpoint->options_;
  int port = wanted.port;
  if (port == 0) {
    port = endpoint->server_->bind_to_any_port(wanted.host.c_str());
  } else if (!endpoint->server_->bind_to_port(wanted.host.c_str(), port)) {
    port = -1;
  }
  if (port < 0) return Error{Errc::in_use, wanted.host + ":" + std::to_string(wanted.port)};
  endpoint->port_ = static_cast<uint16_t>(port);
  endpoint->thread_ = std::thread([self = endpoint.get()] {
    self->server_->listen_after_bind();
    self->ended_ = true;
  });
  // The library forgets a stop() that comes before its loop runs.
  while (!endpoint->server_->is_running() && !endpoint->ended_) std::this_thread::yield();
  return endpoint;
}

HttpEndpoint::~HttpEndpoint() {
  if (!thread_.joinable()) return;
  server_->stop();
  thread_.join();
}

}  // namespace millrace::app
