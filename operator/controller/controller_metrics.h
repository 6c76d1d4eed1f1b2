#pragma once

#include "broker/base/metrics.h"

namespace millrace::controller {

// What the operator counts of its own work; app/ gives them names.
struct ControllerMetrics {
  Counter cluster_passes;  // reconciliations of KafkaClusters that ended, well or not
  Counter cluster_failures;
  Counter topic_passes;
  Counter topic_failures;
  DurationHistogram pass_duration;
  Gauge queue_keys;      // objects waiting to be looked at
  Counter dropped_keys;  // not queued because the queue was full
};

}  // namespace millrace::controller
