#pragma once

#include <functional>

#include "broker/base/bytes.h"
#include "broker/base/result.h"
#include "broker/server/request_context.h"

namespace millrace::server {

// Where requests go that only the controller answers (Handler::on_controller). Implemented in app/. Thread-safe.
class ControllerRoute {
 public:
  using Done = std::function<void(Result<Bytes> reply)>;
  virtual ~ControllerRoute() = default;
  // Whether this broker is the controller, so that its own handler answers. Asked for each such request; cheap.
  virtual bool is_here() const = 0;
  // Brings the request (header and body, as the client sent it) to the controller. `done` is called once, on any
  // thread, with the reply's frame (header and body), or with the error because of which there is none.
  virtual void forward(Bytes frame, const RequestContext& context, Done done) = 0;
};

}  // namespace millrace::server
