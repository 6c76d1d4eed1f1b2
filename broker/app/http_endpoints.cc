#include "broker/app/http_endpoints.h"

#include <atomic>
#include <thread>

#include <httplib.h>

namespace millrace::app {

struct HttpEndpoints::State {
  HttpOptions options;
  httplib::Server server;
  std::atomic<bool> ended{false};
  std::thread thread;
};

HttpEndpoints::HttpEndpoints(std::unique_ptr<State> state) : state_(std::move(state)) {}

HttpEndpoints::~HttpEndpoints() {
  state_->server.stop();
  if (state_->thread.joinable()) state_->thread.join();
}

const io::Endpoint& HttpEndpoints::at() const { return state_->options.at; }

Result<std::unique_ptr<HttpEndpoints>> HttpEndpoints::open(HttpOptions options) {
  auto state = std::make_unique<State>();
  state->options = std::move(options);
  httplib::Server& server = state->server;
  HttpOptions& given = state->options;
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };  // owned by the server
  server.set_keep_alive_max_count(100);
  server.set_read_timeout(5);
  server.set_write_timeout(5);
  server.set_payload_max_length(4096);
  // Not the library's default SO_REUSEPORT: a second broker on the port must fail.
  server.set_socket_options([](socket_t socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  server.Get("/metrics", [&given](const httplib::Request&, httplib::Response& response) {
    response.set_content(given.metrics(), "text/plain; version=0.0.4; charset=utf-8");
  });
  server.Get("/healthz",
             [](const httplib::Request&, httplib::Response& response) { response.set_content("ok\n", "text/plain"); });
  server.Get("/readyz", [&given](const httplib::Request&, httplib::Response& response) {
    const std::string why = given.not_ready();
    response.status = why.empty() ? 200 : 503;
    const std::string note = given.note ? given.note() : std::string();
    response.set_content((why.empty() ? "ready" : why) + "\n" + (note.empty() ? note : note + "\n"), "text/plain");
  });
  server.Get("/version", [&given](const httplib::Request&, httplib::Response& response) {
    response.set_content("{\"version\":\"" + given.version + "\"}\n", "application/json");
  });
  if (given.at.port == 0) {
    const int port = server.bind_to_any_port(given.at.host.c_str());
    if (port <= 0)
      return Error{Errc::invalid_argument, "millrace.http.listener " + given.at.to_string() + " cannot be bound"};
    given.at.port = static_cast<uint16_t>(port);
  } else if (!server.bind_to_port(given.at.host.c_str(), given.at.port)) {
    return Error{Errc::in_use, "millrace.http.listener " + given.at.to_string() +
                                   " cannot be bound: choose another with --set millrace.http.listener=HOST:PORT"};
  }
  std::atomic<bool>& ended = state->ended;
  state->thread = std::thread([&server, &ended] {
    server.listen_after_bind();
    ended = true;
  });
  // The library's stop() does nothing before its loop runs, and the thread would then never end.
  while (!server.is_running() && !ended) std::this_thread::yield();
  return std::unique_ptr<HttpEndpoints>(new HttpEndpoints(std::move(state)));
}

}  // namespace millrace::app
