#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "broker/base/clock.h"
#include "broker/io/event_loop.h"

namespace millrace::io {

// The timers of one loop: a hierarchical wheel of kLevels × 64 slots of 1 ms, 64 ms, 4 s, … Adding, cancelling and
// expiring cost O(1), amortised over the levels an entry sinks through. A timer runs in the first millisecond that
// begins at or after its deadline, never before it. Not thread-safe.
class TimerWheel {
 public:
  explicit TimerWheel(TimePoint start) : start_(start) {}

  TimerId add(TimePoint deadline, std::function<void()> task);
  // Destroys the task; an id that has expired or is unknown does nothing.
  void cancel(TimerId id);
  // Takes out one task that is due, in order of their milliseconds; empty when none is. One at a time, so that a task
  // may still cancel one that is due with it.
  std::function<void()> pop_due(TimePoint now);
  // When pop_due() must be called next: no later than the first deadline (earlier where entries sink a level), none
  // when there are no timers.
  std::optional<TimePoint> next() const;
  size_t size() const { return size_; }

 private:
  static constexpr unsigned kBits = 6;
  static constexpr size_t kSlots = 1u << kBits;
  static constexpr size_t kLevels = 7;  // 2^42 ms, 139 years; later deadlines are brought forward to that
  static constexpr uint64_t kTicksMax = (uint64_t{1} << (kBits * kLevels)) - 1;
  static constexpr size_t kDue = kLevels;
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Entry {
    std::function<void()> task;
    uint64_t tick = 0;
    uint32_t next = kNone;
    uint32_t previous = kNone;
    uint32_t generation = 1;
    uint8_t level = 0;
    uint8_t slot = 0;
    bool used = false;
  };
  struct Level {
    uint64_t occupied = 0;  // bit per slot
    std::array<uint32_t, kSlots> head;
    Level() { head.fill(kNone); }
  };
  struct Position {
    size_t level;
    size_t slot;
    uint64_t tick;  // when the slot begins
  };

  void place(uint32_t index, size_t level, size_t slot);
  void insert(uint32_t index);
  void unlink(uint32_t index);
  void release(uint32_t index);
  std::optional<Position> next_position() const;

  TimePoint start_;
  uint64_t now_ = 0;  // ticks of 1 ms since start_ that have passed
  size_t size_ = 0;
  std::array<Level, kLevels + 1> levels_;  // the last one's first slot holds what is due
  std::vector<Entry> entries_;
  std::vector<uint32_t> free_;
};

}  // namespace millrace::io
