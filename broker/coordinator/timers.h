#pragma once

#include <functional>

#include "broker/base/clock.h"

namespace millrace::coordinator {

// What coordinators need of an event loop; implemented in app/.
class Timers {
 public:
  virtual ~Timers() = default;
  // `task` runs once, no earlier than `at` by the clock that the coordinator was given, on any thread, never within
  // this call. Dropped when the product stops. Any thread.
  virtual void run_at(TimePoint at, std::function<void()> task) = 0;
};

}  // namespace millrace::coordinator
