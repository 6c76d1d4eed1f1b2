#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "broker/base/clock.h"

namespace millrace::replication {

// Shares a rate in bytes among all that send records to replicas which are behind, or take them: each amount is paid by
// a pause behind it. Thread-safe.
class CatchUpBudget {
 public:
  explicit CatchUpBudget(double bytes_per_second) : bytes_per_second_(bytes_per_second) {}
  // Forgives what was spent at another rate: that may have been a slow one.
  void set_rate(double bytes_per_second) {
    if (bytes_per_second_.exchange(bytes_per_second, std::memory_order_relaxed) == bytes_per_second) return;
    free_at_ns_.store(0, std::memory_order_relaxed);
  }
  // How long nothing may be sent from now; zero: go on.
  Duration pause(TimePoint now) const {
    return std::max(Duration(free_at_ns_.load(std::memory_order_relaxed)) - now.time_since_epoch(), Duration());
  }
  void spend(TimePoint now, size_t bytes) {
    const double seconds =
        std::min(static_cast<double>(bytes) / bytes_per_second_.load(std::memory_order_relaxed), kPauseSecondsMax);
    const auto cost = static_cast<int64_t>(seconds * 1e9);
    const int64_t now_ns = now.time_since_epoch().count();
    int64_t free_at = free_at_ns_.load(std::memory_order_relaxed);
    while (!free_at_ns_.compare_exchange_weak(free_at, std::max(free_at, now_ns) + cost, std::memory_order_relaxed)) {
    }
  }

 private:
  static constexpr double kPauseSecondsMax = 60;
  std::atomic<double> bytes_per_second_;
  std::atomic<int64_t> free_at_ns_{0};
};

}  // namespace millrace::replication
