#include "operator/controller/queue.h"

#include <algorithm>

namespace millrace::controller {

bool Queue::add(const kube::ObjectKey& key, Duration delay) {
  MutexLock lock(mutex_);
  return add_locked(key, clock_.now() + delay);
}

bool Queue::add_after_failure(const kube::ObjectKey& key) {
  MutexLock lock(mutex_);
  constexpr int kDoublingsMax = 20;
  const int failures = std::min(failures_[key]++, kDoublingsMax);
  const Duration delay = std::min(kRetryMax, kRetryMin * (int64_t{1} << failures));
  return add_locked(key, clock_.now() + delay);
}

void Queue::forget_failures(const kube::ObjectKey& key) {
  MutexLock lock(mutex_);
  failures_.erase(key);
}

bool Queue::add_locked(const kube::ObjectKey& key, TimePoint due) {
  if (const auto working = working_.find(key); working != working_.end()) {
    working->second = working->second ? std::min(*working->second, due) : due;
    return true;
  }
  const auto known = due_.find(key);
  if (known != due_.end()) {
    if (known->second <= due) return true;
    order_.erase({known->second, key});
  } else if (due_.size() >= kKeysMax) {
    return false;
  }
  due_[key] = due;
  order_.insert({due, key});
  changed_.notify_one();
  return true;
}

std::optional<kube::ObjectKey> Queue::take_due_locked() {
  if (order_.empty() || order_.begin()->first > clock_.now()) return std::nullopt;
  kube::ObjectKey key = order_.begin()->second;
  order_.erase(order_.begin());
  due_.erase(key);
  working_[key] = std::nullopt;
  return key;
}

std::optional<kube::ObjectKey> Queue::take() {
  MutexLock lock(mutex_);
  while (!closed_) {
    if (auto key = take_due_locked()) return key;
    if (order_.empty()) {
      changed_.wait(mutex_);
    } else {
      changed_.wait_for(mutex_, order_.begin()->first - clock_.now());
    }
  }
  return std::nullopt;
}

std::optional<kube::ObjectKey> Queue::take_due() {
  MutexLock lock(mutex_);
  return take_due_locked();
}

void Queue::done(const kube::ObjectKey& key) {
  MutexLock lock(mutex_);
  const auto working = working_.find(key);
  ENSURE(working != working_.end());
  const std::optional<TimePoint> again = working->second;
  working_.erase(working);
  if (again) add_locked(key, *again);
}

void Queue::close() {
  MutexLock lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

size_t Queue::size() const {
  MutexLock lock(mutex_);
  return due_.size();
}

std::optional<TimePoint> Queue::next_due() const {
  MutexLock lock(mutex_);
  if (order_.empty()) return std::nullopt;
  return order_.begin()->first;
}

}  // namespace millrace::controller
