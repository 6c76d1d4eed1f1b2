#pragma once

#include <functional>
#include <memory>

#include "broker/base/clock.h"
#include "broker/control/control_metrics.h"
#include "broker/io/event_loop.h"

namespace millrace::control {

// Pauses between attempts to reach a controller: doubling between these.
inline constexpr std::chrono::milliseconds kRetryMin{20};
inline constexpr std::chrono::milliseconds kRetryMax{200};

// All of it is borrowed and outlives the client and its calls.
struct ControllerClientOptions {
  BrokerId self;
  io::EventLoop* loop = nullptr;  // where attempts are made and answers are given
  Clock* clock = nullptr;
  ControllerChannel* channel = nullptr;  // to other brokers
  ControllerServer* local = nullptr;     // this broker's own controller
  std::function<BrokerId()> leader;      // of the quorum, as this broker knows it; kNoBroker: nobody. Any thread
  ControlMetrics* metrics = nullptr;     // may be null
};

// Brings calls to the controller, wherever it is and becomes: while nobody leads the quorum, or the one that is called
// says that it does not, the call is made again until its time is up. So is one whose outcome is unknown, if doing it
// twice does no harm. Thread-safe.
class ControllerClient {
 public:
  explicit ControllerClient(ControllerClientOptions options);

  // `done` is called once, on the loop, unless the loop has stopped. Errors: timed_out when no controller was found or
  // it did not answer in time (the words say which), else what the controller answered.
  void call(ControllerCall call, Duration timeout, ControllerDone done);

 private:
  struct Attempt;
  void attempt(std::shared_ptr<Attempt> attempt);
  void attempt_here(const std::shared_ptr<Attempt>& attempt, Duration left);
  void settle(const std::shared_ptr<Attempt>& attempt, Result<ControllerAnswer> answer);

  const ControllerClientOptions options_;
};

}  // namespace millrace::control
