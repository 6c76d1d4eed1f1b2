#pragma once

#include <span>
#include <string>

#include "broker/io/event_loop.h"
#include "broker/server/controller_route.h"
#include "broker/server/handler.h"
#include "broker/server/services.h"

namespace millrace::server {

// The controller's side of ControllerRoute: runs a request that another broker's client sent, on a loop of ours, as if
// it had come in on a connection. Thread-safe; outlives what it is given.
class ForwardedRequests {
 public:
  ForwardedRequests(std::span<const Handler> handlers, Services& services, io::EventLoop& loop)
      : handlers_(handlers), services_(services), loop_(loop) {}

  // `done` is called once, on any thread: with the reply's frame without its size, or malformed, unsupported_version
  // (no such API here, or not one for the controller), connection_closed (the handler would have closed the client's
  // connection). Not called any more once the loop has stopped.
  void serve(Bytes frame, std::string client_host, std::string listener, ControllerRoute::Done done);

 private:
  std::span<const Handler> handlers_;
  Services& services_;
  io::EventLoop& loop_;
};

}  // namespace millrace::server
