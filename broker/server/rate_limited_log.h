#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "broker/base/clock.h"
#include "broker/base/logger.h"

namespace millrace::server {

// What strangers can cause as often as they like is logged once a second at most, with how many were left out. One per
// message. Thread-safe.
class RateLimitedLog {
 public:
  RateLimitedLog(const Logger& log, const Clock& clock) : log_(log), clock_(clock) {}

  void warn(std::string_view message, std::string_view who, std::string_view what) {
    const int64_t now = clock_.now().time_since_epoch().count();
    int64_t next = next_.load(std::memory_order_relaxed);
    if (now < next || !next_.compare_exchange_strong(next, now + Duration(kPause).count())) {
      left_out_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    log_.warn(message, {{"client", who}, {"reason", what}, {"more_left_out", left_out_.exchange(0)}});
  }

 private:
  static constexpr Duration kPause = std::chrono::seconds(1);
  const Logger& log_;
  const Clock& clock_;
  std::atomic<int64_t> next_{INT64_MIN};
  std::atomic<uint64_t> left_out_{0};
};

}  // namespace millrace::server
