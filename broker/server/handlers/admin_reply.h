#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include "broker/base/result.h"
#include "broker/server/error_map.h"
#include "broker/server/reply.h"
#include "broker/server/request_context.h"

namespace millrace::server::handlers {

// What an admin API answers for an error of the controller: there, a bad argument is the client's.
inline protocol::ErrorCode admin_error_code(Errc code) {
  if (code == Errc::invalid_argument) return protocol::ErrorCode::invalid_request;
  if (code == Errc::shutting_down) return protocol::ErrorCode::not_controller;  // clients try another broker
  return to_error_code(code);
}

// Fills error_code and error_message of one item of an admin answer.
template <class Item>
void set_outcome(Item& item, const Error& error) {
  item.error_code = static_cast<int16_t>(admin_error_code(error.code));
  item.error_message = error.to_string();
}
template <class Item>
void set_outcome(Item& item, Unit) {
  item.error_code = 0;
  item.error_message.reset();
}
template <class Item>
void set_outcome(Item& item, const Status& outcome) {
  outcome ? set_outcome(item, Unit{}) : set_outcome(item, outcome.error());
}

// An answer that comes from the controller or, when that takes longer than the client gave it, says so. Whichever is
// first wins. Any thread.
template <class Response>
class TimedReply : public std::enable_shared_from_this<TimedReply<Response>> {
 public:
  explicit TimedReply(Reply<Response> reply) : reply_(std::move(reply)) {}

  // On the connection's loop, before the command is given away.
  void expire_after(RequestContext& context, int32_t timeout_ms, std::function<Response()> timed_out) {
    loop_ = &context.loop();
    timer_ = loop_->run_after(std::chrono::milliseconds(std::max(timeout_ms, 0)),
                              [self = this->shared_from_this(), timed_out = std::move(timed_out)] {
                                self->send([&] { return timed_out(); });
                              });
  }
  void complete(const Response& response) {
    if (!send([&]() -> const Response& { return response; }) || loop_ == nullptr) return;
    // The timer belongs to the loop's thread; dropped with everything else when the loop has stopped.
    loop_->post([loop = loop_, timer = timer_] { loop->cancel(timer); });
  }

 private:
  template <class Make>
  bool send(Make make) {
    if (answered_.exchange(true)) return false;
    reply_.send(make());
    return true;
  }

  Reply<Response> reply_;
  std::atomic<bool> answered_{false};
  io::EventLoop* loop_ = nullptr;
  io::TimerId timer_ = 0;
};

}  // namespace millrace::server::handlers
