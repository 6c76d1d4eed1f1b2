#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "broker/base/strong_id.h"
#include "broker/base/uuid.h"

namespace millrace::replication {

// A leader's wish to change the in-sync set of a partition (KIP-497, with broker epochs as in KIP-903).
struct IsrChange {
  struct Member {
    BrokerId broker;
    int64_t broker_epoch = -1;  // as the leader knows it; -1: it does not, for a member that stays
    friend bool operator==(const Member&, const Member&) = default;
  };
  Uuid topic_id;
  PartitionIndex partition;
  LeaderEpoch leader_epoch;
  int32_t partition_epoch = 0;  // that the change is made to
  std::vector<Member> isr;      // the whole new set
  friend bool operator==(const IsrChange&, const IsrChange&) = default;
};

enum class IsrOutcome : uint8_t {
  committed,  // the image will show it
  // Not the state that the change was made to, or not the leader: this, an earlier attempt or somebody else changed the
  // partition. The image will show what.
  stale,
  refused,  // the state is the one named, and the change is not allowed in it: no attempt took effect or will
  unknown,  // it may have taken effect or may still
};

// Where leaders bring their wishes. Implemented by whoever reaches the controller, who may join those of many
// partitions into one request. Thread-safe.
class IsrChanges {
 public:
  virtual ~IsrChanges() = default;
  // Calls `done` once, later, on any thread, never from within propose(). A leader has one proposal of a partition
  // under way at a time. A controller that knows no broker of the set, or knows one under another epoch or as fenced,
  // refuses it.
  virtual void propose(IsrChange change, std::function<void(IsrOutcome)> done) = 0;
};

}  // namespace millrace::replication
