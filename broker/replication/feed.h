#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "broker/base/bytes.h"
#include "broker/base/strong_id.h"
#include "broker/replication/link_pulse.h"
#include "broker/replication/peer_messages.h"
#include "broker/replication/wake_queue.h"
#include "broker/storage/log.h"

namespace millrace::replication {

class Partition;

// One follower's subscription to one partition, at the leader: what joins the partition, under whose mutex records
// come, with the link that sends them. The partition pushes it into the link's queue when there is something to send.
struct Feed final : Queueable<Feed> {
  Feed(std::shared_ptr<Partition> of, BrokerId to, SubscriptionNumber with, std::shared_ptr<WakeQueue<Feed>> by,
       std::shared_ptr<const LinkPulse> of_link)
      : partition(std::move(of)), follower(to), number(with), queue(std::move(by)), pulse(std::move(of_link)) {}

  const std::shared_ptr<Partition> partition;
  const BrokerId follower;
  const SubscriptionNumber number;
  const std::shared_ptr<WakeQueue<Feed>> queue;
  const std::shared_ptr<const LinkPulse> pulse;

  // Set when the partition no longer serves it: another leader, another subscription, or it is gone. Never unset.
  std::atomic<bool> ended{false};

  // Guarded by the partition.
  Offset taken{0};    // up to where records were given to the link
  LeaderEpoch epoch;  // in which it began

  // The link's alone.
  enum class Line : uint8_t { tail, catch_up, throttled };  // of the link's lines, in which it waits and is served
  struct Sent {
    Offset end;
    size_t bytes = 0;
    Line line = Line::tail;
  };
  std::vector<Sent> sent;  // and not acknowledged
  size_t in_flight = 0;    // bytes of it
  Offset told_high_watermark = kNoOffset;
  bool is_waiting = false;  // in one of the link's lines
  bool is_blocked = false;  // by its window
  bool is_behind = false;   // reads the log
  bool is_untold = false;   // in the line for Progress
  bool is_in_sync = false;  // at the last take(), so that others wait for it
};

// What a feed is to send next.
struct FeedData {
  LeaderEpoch leader_epoch;
  Offset high_watermark;
  Offset log_start;
  std::vector<Bytes> batches;               // from memory
  std::optional<storage::ReadInfo> stored;  // from the log; the caller reads it and then calls feed_took()
  Offset end{0};                            // behind what was taken
  bool has_more = false;
};

// How a subscription begins.
struct FeedStart {
  std::optional<Answer::Entry> answer;
  std::optional<Refusal::Reason> refusal;
  bool is_accepted() const { return !answer && !refusal; }
};

}  // namespace millrace::replication
