#pragma once

#include <atomic>

#include "broker/base/clock.h"

namespace millrace::io::sim {

// Time that stands still until a test moves it. Thread-safe.
class SimClock final : public Clock {
 public:
  static constexpr Timestamp kStartWallMs = 1'700'000'000'000;

  TimePoint now() const override { return TimePoint(Duration(elapsed_ns_.load(std::memory_order_relaxed))); }
  Timestamp wall_ms() const override {
    return wall_start_ms_.load(std::memory_order_relaxed) + elapsed_ns_.load(std::memory_order_relaxed) / 1'000'000;
  }

  void advance(Duration by) { elapsed_ns_.fetch_add(by.count(), std::memory_order_relaxed); }
  // Moves the wall clock alone, also backwards, as an operator or NTP does.
  void set_wall_ms(Timestamp wall) {
    wall_start_ms_.store(wall - elapsed_ns_.load(std::memory_order_relaxed) / 1'000'000, std::memory_order_relaxed);
  }

 private:
  std::atomic<int64_t> elapsed_ns_{0};
  std::atomic<Timestamp> wall_start_ms_{kStartWallMs};
};

}  // namespace millrace::io::sim
