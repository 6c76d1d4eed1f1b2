#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "broker/base/clock.h"
#include "broker/replication/feed.h"
#include "broker/replication/follower_slot.h"

namespace millrace::replication {

// What is left to do once a partition's mutex is released.
struct Aftermath {
  bool flush_now = false;
  std::optional<TimePoint> flush_by{};
  std::vector<std::shared_ptr<WakeQueue<Feed>>> feeds{};  // to wake
  std::shared_ptr<WakeQueue<FollowerSlot>> slot{};        // likewise
  bool watch = false;
  bool look_soon = false;
};

}  // namespace millrace::replication
