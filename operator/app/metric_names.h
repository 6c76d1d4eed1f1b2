#pragma once

#include <string_view>

// The names of the operator's metrics, as users and dashboards read them.
namespace millrace::app {

struct MetricName {
  std::string_view name;
  std::string_view help;
};

inline constexpr MetricName kReconciliations{"millrace_operator_reconciliations_total",
                                             "Passes over an object, by its kind and how they ended."};
inline constexpr MetricName kReconcileSeconds{"millrace_operator_reconcile_seconds",
                                              "Duration of a pass over an object."};
inline constexpr MetricName kQueueKeys{"millrace_operator_queue_objects", "Objects waiting to be looked at."};
inline constexpr MetricName kQueueDropped{"millrace_operator_queue_dropped_total",
                                          "Objects not queued because the queue was full; a later pass finds them."};

}  // namespace millrace::app
