#pragma once

#include "broker/base/metrics.h"

namespace millrace::raft {

// What one node of a quorum counts, beside what its status says. app/ names and shows them.
struct NodeMetrics {
  Counter elections;  // in which it stood
  Counter elections_won;
  Counter leader_changes;             // leaders that it heard of, itself among them
  DurationHistogram append_duration;  // from the beginning of a write to the log until it is durable
};

}  // namespace millrace::raft
