#pragma once

#include "broker/base/strong_id.h"

namespace millrace::replication {

// How far one replica has a partition's log.
struct ReplicaProgress {
  Offset log_end;
  Offset flushed;
};

// What of it counts. flush.messages=1: a record counts only once it survives a power loss, so that nobody reads what
// may vanish.
constexpr Offset counted(const ReplicaProgress& replica, bool flush_every_record) {
  return flush_every_record ? replica.flushed : replica.log_end;
}

}  // namespace millrace::replication
