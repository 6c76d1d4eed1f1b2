#pragma once

#include <cstdint>
#include <functional>

#include "broker/base/clock.h"

namespace millrace::io {

using TimerId = uint64_t;

// One thread that runs what it is given, in order, until stopped: a reactor. io/posix: epoll; io/sim:
// virtual time, one loop at a time, seeded order between loops.
class EventLoop {
 public:
  virtual ~EventLoop() = default;
  // Runs `task` on the loop's thread, after what was posted before. Any thread. Dropped (destroyed, not run) once the
  // loop has stopped.
  virtual void post(std::function<void()> task) = 0;
  virtual bool is_current() const = 0;
  // Loop thread only. `task` runs once, no earlier than `delay` from now; cancel() of one that has run or is unknown
  // does nothing.
  virtual TimerId run_after(Duration delay, std::function<void()> task) = 0;
  virtual void cancel(TimerId timer) = 0;
};

}  // namespace millrace::io
