#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "broker/io/event_loop.h"
#include "broker/io/sim/sim_clock.h"
#include "broker/io/sim/sim_random.h"

namespace millrace::io::sim {

class SimEventLoop;

// Runs the loops of a test in one thread: one task at a time, of a loop that the seed picks, and when none has a task
// moves the clock to the next timer. The same seed and program give the same run.
class SimScheduler {
 public:
  SimScheduler(SimClock& clock, uint64_t seed) : clock_(clock), random_(seed) {}
  SimScheduler(const SimScheduler&) = delete;
  SimScheduler& operator=(const SimScheduler&) = delete;

  std::unique_ptr<SimEventLoop> make_loop();

  // Runs one task; false when there is none and no timer is due within `ahead`.
  bool step(Duration ahead = Duration::max());
  // Until `done` says so; false when virtual time passes `limit` from now first, or nothing is left to do.
  bool run_until(const std::function<bool()>& done, Duration limit = std::chrono::hours(1));
  // Everything that happens within `time`, which passes also when nothing happens.
  void run_for(Duration time);

  SimClock& clock() { return clock_; }
  SimRandom& random() { return random_; }

 private:
  friend class SimEventLoop;
  SimClock& clock_;
  SimRandom random_;
  std::vector<SimEventLoop*> loops_;
  SimEventLoop* current_ = nullptr;
};

// A loop without a thread. post() may be called from outside the scheduler, between steps.
class SimEventLoop final : public EventLoop {
 public:
  ~SimEventLoop() override;
  void post(std::function<void()> task) override;
  // Also true between steps, so that a test may call what belongs to the loop.
  bool is_current() const override;
  TimerId run_after(Duration delay, std::function<void()> task) override;
  void cancel(TimerId timer) override;
  // Nothing more runs on it; what waits is destroyed.
  void stop();
  // Nothing runs on it until then, nor does a timer come due: a thread that waits for a disk, a process that is
  // suspended. TimePoint::max(): until told otherwise; a time that has passed: it goes on.
  void pause_until(TimePoint end) { paused_until_ = end; }
  // Runs what is there and due, between steps, whatever the scheduler would choose: for taking apart what lives on it.
  void run_pending();
  size_t timers() const { return timers_.size(); }

 private:
  friend class SimScheduler;
  explicit SimEventLoop(SimScheduler& scheduler) : scheduler_(scheduler) {}
  void make_due();
  void run_front();

  SimScheduler& scheduler_;
  bool stopped_ = false;
  TimePoint paused_until_{};
  std::deque<std::function<void()>> tasks_;
  std::map<std::pair<TimePoint, TimerId>, std::function<void()>> timers_;
  std::map<TimerId, std::function<void()>> due_;  // reached, not yet run
  std::map<TimerId, TimePoint> deadlines_;
  TimerId last_timer_ = 0;
};

}  // namespace millrace::io::sim
