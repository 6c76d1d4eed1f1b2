#pragma once

#include <memory>
#include <optional>

#include "broker/base/clock.h"
#include "broker/base/strong_id.h"
#include "broker/replication/peer_messages.h"
#include "broker/replication/wake_queue.h"

namespace millrace::replication {

class Partition;

// One partition that this broker follows, at the follower: what joins the partition with the link to its leader. The
// partition pushes it into the link's queue when there is something to tell the leader that the link did not cause: a
// flush has ended, or damage was found.
struct FollowerSlot final : Queueable<FollowerSlot> {
  FollowerSlot(std::shared_ptr<Partition> of, LeaderEpoch in, std::shared_ptr<WakeQueue<FollowerSlot>> by)
      : partition(std::move(of)), epoch(in), queue(std::move(by)) {}

  const std::shared_ptr<Partition> partition;
  const LeaderEpoch epoch;  // in which the leader leads
  const std::shared_ptr<WakeQueue<FollowerSlot>> queue;

  // The link's alone.
  std::optional<SubscriptionNumber> number;  // while subscribed
  std::optional<TimePoint> retry_at;         // while it waits after a failure
  Duration retry_after{};                    // the last wait; grows until records come again
  bool is_asked_to_leave = false;            // damage was found and the in-sync set has not shown it gone yet
  bool is_closed = false;                    // by the link
  Offset acked_end = kNoOffset;
  Offset acked_flushed = kNoOffset;
  bool is_held = false;  // what it took is acknowledged later: it is to be slow
  uint32_t answers = 0;  // in a row without records: a truncation that leads nowhere
};

}  // namespace millrace::replication
