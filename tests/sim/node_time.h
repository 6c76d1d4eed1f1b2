#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "broker/base/clock.h"
#include "broker/io/sim/sim_event_loop.h"

namespace millrace::sim {

// One machine's clocks: the monotonic one runs a little fast or slow, from a beginning of its own; the wall clock is
// besides set by whoever likes to.
class NodeClock final : public Clock {
 public:
  static constexpr int64_t kMillion = 1'000'000;

  NodeClock(io::sim::SimClock& world, Duration start) : world_(world), start_(start) {}

  TimePoint now() const override { return TimePoint(start_ + from_world(world_.now().time_since_epoch())); }
  Timestamp wall_ms() const override { return world_.wall_ms() + wall_off_ms_; }

  // Parts in a million that it is fast (or, negative, slow). Changes what now() says: only while nothing uses it.
  void set_drift(int64_t parts) { drift_ = parts; }
  void set_wall_off(Timestamp by) { wall_off_ms_ = by; }
  // Not less than it takes this clock to show `own` more.
  Duration to_world(Duration own) const {
    if (own.count() <= 0) return {};
    const int64_t rate = kMillion + drift_;
    return Duration((own.count() / rate) * kMillion + (own.count() % rate * kMillion + rate - 1) / rate + 2);
  }

 private:
  Duration from_world(Duration world) const {
    return Duration(world.count() + world.count() / kMillion * drift_ + world.count() % kMillion * drift_ / kMillion);
  }

  io::sim::SimClock& world_;
  const Duration start_;
  int64_t drift_ = 0;
  Timestamp wall_off_ms_ = 0;
};

// A loop of one machine, whose timers go by the machine's clock.
class NodeLoop final : public io::EventLoop {
 public:
  // `around` runs each task: it knows what the machine has to do before and after.
  using Around = std::function<void(NodeLoop& loop, const std::function<void()>& task)>;

  NodeLoop(io::sim::SimScheduler& scheduler, const NodeClock& clock, Around around)
      : clock_(clock), around_(std::move(around)), loop_(scheduler.make_loop()) {}

  void post(std::function<void()> task) override {
    loop_->post([this, task = std::move(task)] { around_(*this, task); });
  }
  bool is_current() const override { return loop_->is_current(); }
  io::TimerId run_after(Duration delay, std::function<void()> task) override {
    return loop_->run_after(clock_.to_world(delay), [this, task = std::move(task)] { around_(*this, task); });
  }
  void cancel(io::TimerId timer) override { loop_->cancel(timer); }

  io::sim::SimEventLoop& inner() { return *loop_; }

 private:
  const NodeClock& clock_;
  const Around around_;
  const std::unique_ptr<io::sim::SimEventLoop> loop_;
};

}  // namespace millrace::sim
