#include "broker/storage/flusher.h"

#include <algorithm>

namespace millrace::storage {

Flusher::Flusher(io::FileSystem& fs, Clock& clock, size_t threads) : fs_(fs), clock_(clock) {
  for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
}

Flusher::~Flusher() { stop(); }

void Flusher::flush_soon(std::shared_ptr<Flushable> log) { enqueue(std::move(log), clock_.now()); }
void Flusher::flush_by(std::shared_ptr<Flushable> log, TimePoint due) { enqueue(std::move(log), due); }

Status Flusher::flush_now(Flushable& log) {
  FlushPlan plan = log.begin_flush();
  if (plan.empty()) return ok();
  Status outcome = run_flush(fs_, plan);
  log.end_flush(plan, outcome);
  return outcome;
}

void Flusher::enqueue(std::shared_ptr<Flushable> log, TimePoint due) {
  Flushable* const key = log.get();
  MutexLock lock(mutex_);
  if (stopping_) return;
  const auto [found, added] = waiting_.try_emplace(key);
  Waiting& waiting = found->second;
  if (added) {
    waiting.log = std::move(log);
    waiting.due = due;
    queue_.emplace(due, key);
  } else if (waiting.running) {
    // The flush under way may have begun before what this caller appended.
    waiting.due = waiting.again ? std::min(waiting.due, due) : due;
    waiting.again = true;
    return;
  } else if (due < waiting.due) {
    const auto [first, last] = queue_.equal_range(waiting.due);
    queue_.erase(std::find_if(first, last, [&](const auto& entry) { return entry.second == key; }));
    waiting.due = due;
    queue_.emplace(due, key);
  } else {
    return;
  }
  changed_.notify_one();
}

std::shared_ptr<Flushable> Flusher::take_due(TimePoint now) {
  if (queue_.empty()) return nullptr;
  const auto first = queue_.begin();
  if (first->first > now && !stopping_) return nullptr;
  Waiting& waiting = waiting_.at(first->second);
  waiting.running = true;
  queue_.erase(first);
  return waiting.log;
}

void Flusher::finish(Flushable* log) {
  const auto found = waiting_.find(log);
  Waiting& waiting = found->second;
  if (!waiting.again) {
    waiting_.erase(found);
    return;
  }
  waiting.running = waiting.again = false;
  queue_.emplace(waiting.due, log);
  changed_.notify_one();
}

std::optional<TimePoint> Flusher::run_due() {
  while (true) {
    std::shared_ptr<Flushable> log;
    {
      MutexLock lock(mutex_);
      log = take_due(clock_.now());
      if (log == nullptr) return queue_.empty() ? std::nullopt : std::optional(queue_.begin()->first);
    }
    // A failure is the log's to remember and to report: it goes offline.
    static_cast<void>(static_cast<bool>(flush_now(*log)));
    MutexLock lock(mutex_);
    finish(log.get());
  }
}

void Flusher::run() {
  while (true) {
    run_due();
    MutexLock lock(mutex_);
    if (queue_.empty()) {
      if (stopping_) return;
      changed_.wait(mutex_);
      continue;
    }
    const Duration wait = queue_.begin()->first - clock_.now();
    if (wait > Duration::zero() && !stopping_) changed_.wait_for(mutex_, wait);
  }
}

void Flusher::stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (threads_.empty()) run_due();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace millrace::storage
