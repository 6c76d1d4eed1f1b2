#include "broker/io/timer_wheel.h"

#include <algorithm>
#include <bit>

#include "broker/base/ensure.h"

namespace millrace::io {
namespace {

constexpr Duration kTick = std::chrono::milliseconds(1);

}  // namespace

TimerId TimerWheel::add(TimePoint deadline, std::function<void()> task) {
  // Rounded up, and never into the tick that was already expired.
  const Duration from_start = deadline - start_;
  const uint64_t ticks =
      from_start <= Duration::zero() ? 0 : static_cast<uint64_t>((from_start + kTick - Duration(1)) / kTick);
  uint32_t index;
  if (free_.empty()) {
    index = static_cast<uint32_t>(entries_.size());
    ENSURE(index != kNone);
    entries_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  Entry& entry = entries_[index];
  entry.task = std::move(task);
  entry.tick = std::clamp(ticks, now_ + 1, now_ + kTicksMax / 2);
  entry.used = true;
  insert(index);
  ++size_;
  return (uint64_t{entry.generation} << 32) | index;
}

void TimerWheel::cancel(TimerId id) {
  const auto index = static_cast<uint32_t>(id);
  if (index >= entries_.size()) return;
  Entry& entry = entries_[index];
  if (!entry.used || entry.generation != static_cast<uint32_t>(id >> 32)) return;
  unlink(index);
  // The task may own what calls cancel() again, so it dies after the wheel is consistent.
  const std::function<void()> task = std::move(entry.task);
  release(index);
}

std::function<void()> TimerWheel::pop_due(TimePoint now) {
  if (now < start_) return nullptr;
  const auto target = static_cast<uint64_t>((now - start_) / kTick);
  while (levels_[kDue].occupied == 0) {
    if (target <= now_) return nullptr;
    const std::optional<Position> position = next_position();
    if (!position || position->tick > target) {
      now_ = target;
      return nullptr;
    }
    now_ = position->tick;
    Level& level = levels_[position->level];
    uint32_t index = level.head[position->slot];
    level.head[position->slot] = kNone;
    level.occupied &= ~(uint64_t{1} << position->slot);
    while (index != kNone) {
      const uint32_t following = entries_[index].next;
      if (entries_[index].tick <= now_) {
        place(index, kDue, 0);
      } else {
        insert(index);  // sinks to a finer level
      }
      index = following;
    }
  }
  const uint32_t index = levels_[kDue].head[0];
  unlink(index);
  std::function<void()> task = std::move(entries_[index].task);
  release(index);
  return task;
}

std::optional<TimePoint> TimerWheel::next() const {
  if (levels_[kDue].occupied != 0) return start_ + static_cast<int64_t>(now_) * kTick;
  const std::optional<Position> position = next_position();
  if (!position) return std::nullopt;
  return start_ + static_cast<int64_t>(position->tick) * kTick;
}

void TimerWheel::insert(uint32_t index) {
  const Entry& entry = entries_[index];
  // The level is that of the highest group of bits in which the deadline differs from now: all lower groups are then
  // still to come.
  const uint64_t differing = (entry.tick ^ now_) | (kSlots - 1);
  const size_t level =
      std::min<size_t>((63u - static_cast<unsigned>(std::countl_zero(differing))) / kBits, kLevels - 1);
  place(index, level, (entry.tick >> (kBits * level)) & (kSlots - 1));
}

void TimerWheel::place(uint32_t index, size_t level, size_t slot) {
  Entry& entry = entries_[index];
  entry.level = static_cast<uint8_t>(level);
  entry.slot = static_cast<uint8_t>(slot);
  entry.previous = kNone;
  entry.next = levels_[level].head[slot];
  if (entry.next != kNone) entries_[entry.next].previous = index;
  levels_[level].head[slot] = index;
  levels_[level].occupied |= uint64_t{1} << slot;
}

void TimerWheel::unlink(uint32_t index) {
  Entry& entry = entries_[index];
  Level& level = levels_[entry.level];
  if (entry.next != kNone) entries_[entry.next].previous = entry.previous;
  if (entry.previous != kNone) {
    entries_[entry.previous].next = entry.next;
  } else {
    level.head[entry.slot] = entry.next;
    if (entry.next == kNone) level.occupied &= ~(uint64_t{1} << entry.slot);
  }
}

void TimerWheel::release(uint32_t index) {
  Entry& entry = entries_[index];
  entry.task = nullptr;
  entry.used = false;
  if (++entry.generation == 0) entry.generation = 1;
  free_.push_back(index);
  --size_;
}

std::optional<TimerWheel::Position> TimerWheel::next_position() const {
  for (size_t level = 0; level < kLevels; ++level) {
    const uint64_t occupied = levels_[level].occupied;
    if (occupied == 0) continue;
    // Slots of this level lie ahead of now within one turn; those of finer levels all come before.
    const unsigned shift = static_cast<unsigned>(kBits * level);
    const auto now_slot = static_cast<unsigned>((now_ >> shift) & (kSlots - 1));
    const auto ahead = static_cast<unsigned>(std::countr_zero(std::rotr(occupied, static_cast<int>(now_slot))));
    const uint64_t slot = (now_slot + ahead) & (kSlots - 1);
    uint64_t tick = ((now_ >> shift) + ahead) << shift;
    tick = std::max(tick, now_ + 1);
    return Position{level, slot, tick};
  }
  return std::nullopt;
}

}  // namespace millrace::io
