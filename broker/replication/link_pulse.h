#pragma once

#include <atomic>

#include "broker/base/clock.h"

namespace millrace::replication {

// When a link last heard from its peer. The link writes, any thread reads; shared by the link and its feeds.
class LinkPulse {
 public:
  void beat(TimePoint now) { last_.store(now.time_since_epoch().count(), std::memory_order_relaxed); }
  TimePoint last() const { return TimePoint(TimePoint::duration(last_.load(std::memory_order_relaxed))); }

 private:
  std::atomic<TimePoint::rep> last_{TimePoint::min().time_since_epoch().count()};
};

}  // namespace millrace::replication
