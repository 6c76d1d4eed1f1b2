#include "broker/io/sim/sim_event_loop.h"

#include <algorithm>
#include <optional>

#include "broker/base/ensure.h"

namespace millrace::io::sim {

std::unique_ptr<SimEventLoop> SimScheduler::make_loop() {
  std::unique_ptr<SimEventLoop> loop(new SimEventLoop(*this));
  loops_.push_back(loop.get());
  return loop;
}

bool SimScheduler::step(Duration ahead) {
  ENSURE(current_ == nullptr);
  std::vector<SimEventLoop*> ready;
  std::optional<TimePoint> next;
  for (SimEventLoop* loop : loops_) {
    if (loop->paused_until_ > clock_.now()) {
      const bool ends = loop->paused_until_ != TimePoint::max() && (!loop->tasks_.empty() || !loop->timers_.empty());
      if (ends && (!next || loop->paused_until_ < *next)) next = loop->paused_until_;
      continue;
    }
    loop->make_due();
    if (!loop->tasks_.empty()) ready.push_back(loop);
    if (!loop->timers_.empty()) {
      const TimePoint first = loop->timers_.begin()->first.first;
      if (!next || first < *next) next = first;
    }
  }
  if (ready.empty()) {
    if (!next || *next - clock_.now() > ahead) return false;
    clock_.advance(*next - clock_.now());
    return step(ahead);
  }
  ready[random_.below(ready.size())]->run_front();
  return true;
}

void SimEventLoop::run_front() {
  scheduler_.current_ = this;
  const std::function<void()> task = std::move(tasks_.front());
  tasks_.pop_front();
  task();
  scheduler_.current_ = nullptr;
}

void SimEventLoop::run_pending() {
  ENSURE(scheduler_.current_ == nullptr);
  make_due();
  for (; !tasks_.empty(); make_due()) run_front();
}

bool SimScheduler::run_until(const std::function<bool()>& done, Duration limit) {
  const TimePoint end = clock_.now() + limit;
  while (!done()) {
    if (clock_.now() > end || !step(end - clock_.now())) return done();
  }
  return true;
}

void SimScheduler::run_for(Duration time) {
  const TimePoint end = clock_.now() + time;
  while (step(end - clock_.now())) {
  }
  if (clock_.now() < end) clock_.advance(end - clock_.now());
}

SimEventLoop::~SimEventLoop() { stop(); }

void SimEventLoop::post(std::function<void()> task) {
  if (!stopped_) tasks_.push_back(std::move(task));
}

bool SimEventLoop::is_current() const { return scheduler_.current_ == this || scheduler_.current_ == nullptr; }

TimerId SimEventLoop::run_after(Duration delay, std::function<void()> task) {
  ENSURE(is_current());
  if (stopped_) return 0;
  const TimerId id = ++last_timer_;
  const TimePoint at = scheduler_.clock_.now() + std::max(delay, Duration::zero());
  timers_.emplace(std::pair(at, id), std::move(task));
  deadlines_.emplace(id, at);
  return id;
}

void SimEventLoop::cancel(TimerId timer) {
  ENSURE(is_current());
  const auto found = deadlines_.find(timer);
  if (found == deadlines_.end()) return;
  const auto waiting = timers_.extract(std::pair(found->second, timer));
  const auto due = due_.extract(timer);
  deadlines_.erase(timer);
}

void SimEventLoop::stop() {
  stopped_ = true;
  // What is destroyed may cancel or post.
  const auto tasks = std::exchange(tasks_, {});
  deadlines_.clear();
  const auto timers = std::exchange(timers_, {});
  const auto due = std::exchange(due_, {});
  std::erase(scheduler_.loops_, this);
}

void SimEventLoop::make_due() {
  // A timer becomes a task of its own that looks whether it was cancelled meanwhile.
  const TimePoint now = scheduler_.clock_.now();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    const TimerId id = timers_.begin()->first.second;
    due_.emplace(id, std::move(timers_.begin()->second));
    timers_.erase(timers_.begin());
    tasks_.push_back([this, id] {
      auto node = due_.extract(id);
      deadlines_.erase(id);
      if (node) node.mapped()();
    });
  }
}

}  // namespace millrace::io::sim
