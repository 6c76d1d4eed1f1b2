#pragma once

#include "broker/base/metrics.h"

namespace millrace::coordinator {

// Counts of all group coordinators of this broker.
struct CoordinatorMetrics {
  Counter rebalances_completed;  // generations that got members
  Counter members_expired;       // removed because their session or a phase of a rebalance timed out
  Counter offsets_committed;     // single partitions
  Counter offsets_expired;
  Counter groups_expired;
  Counter append_failures;  // of records of a coordinator's partition; it is loaded again
  Gauge partitions_loaded;  // of __consumer_offsets that this broker coordinates
};

}  // namespace millrace::coordinator
