#pragma once

#include "broker/base/strong_id.h"

namespace millrace::replication {

// What decides how far a leader lets consumers read.
struct LeaderProgress {
  Offset log_end;
  Offset flushed;
  // flush.messages=1: a record counts only once it survives a power loss, so that nobody reads what may vanish.
  bool flush_every_record = false;
};

// The offset up to which every in-sync replica has the log. The leader is the only one of a partition that has a single
// replica.
constexpr Offset leader_high_watermark(const LeaderProgress& leader) {
  return leader.flush_every_record ? leader.flushed : leader.log_end;
}

}  // namespace millrace::replication
