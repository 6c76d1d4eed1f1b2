#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "broker/io/sim/sim_event_loop.h"

namespace millrace::replication::testing {

// Runs a scheduler, and what must not happen inside of a loop between its steps: brokers start and stop there.
class StepRunner {
 public:
  StepRunner(io::sim::SimScheduler& scheduler, io::sim::SimEventLoop& timers)
      : scheduler_(scheduler), timers_(timers) {}

  // False when virtual time passes `limit` from now before `done` says so.
  bool run_until(const std::function<bool()>& done, Duration limit) {
    const TimePoint end = scheduler_.clock().now() + limit;
    while (!done()) {
      if (scheduler_.clock().now() > end || !scheduler_.step(end - scheduler_.clock().now())) return done();
      for (const auto& action : std::exchange(between_, {})) action();
    }
    return true;
  }
  void later(Duration delay, std::function<void()> action) {
    timers_.run_after(delay, [this, action = std::move(action)] { between_.push_back(action); });
  }

 private:
  io::sim::SimScheduler& scheduler_;
  io::sim::SimEventLoop& timers_;
  std::vector<std::function<void()>> between_;
};

}  // namespace millrace::replication::testing
