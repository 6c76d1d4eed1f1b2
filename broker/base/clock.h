#pragma once

#include <chrono>
#include <cstdint>

namespace millrace {

using Duration = std::chrono::nanoseconds;

// Monotonic time, for intervals and deadlines only. The epoch is meaningless.
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

// Wall-clock time in milliseconds since 1970-01-01 UTC, as Kafka's timestamps; -1 is Kafka's "none".
using Timestamp = int64_t;
inline constexpr Timestamp kNoTimestamp = -1;

// The only source of time. Thread-safe. io/posix has the real one, io/sim one that tests advance.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint now() const = 0;
  virtual Timestamp wall_ms() const = 0;
};

}  // namespace millrace
