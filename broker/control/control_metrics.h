#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <variant>

#include "broker/base/metrics.h"
#include "broker/control/controller_calls.h"

namespace millrace::control {

// In the order of ControllerCall.
inline constexpr std::array<std::string_view, std::variant_size_v<ControllerCall>> kCallNames{"register_broker",
                                                                                              "broker_heartbeat",
                                                                                              "alter_partition",
                                                                                              "allocate_producer_ids",
                                                                                              "ensure_offsets_topic",
                                                                                              "create_topic_by_name",
                                                                                              "forwarded_request",
                                                                                              "may_stop",
                                                                                              "release_permit",
                                                                                              "drain_leadership",
                                                                                              "decommission",
                                                                                              "cancel_decommission",
                                                                                              "rebalance",
                                                                                              "plan_moves",
                                                                                              "unregister_broker",
                                                                                              "describe_cluster"};

// What became of a call of the controller, in the order of the names below.
enum class CallOutcome : uint8_t { answered, refused, timed_out };
inline constexpr std::array<std::string_view, 3> kCallOutcomes{
    "answered",
    "refused",    // the controller said no
    "timed_out",  // no controller was found, or it did not answer in time
};

// A broker's part in its cluster, and the controller while it is here. app/ names and shows them.
struct ControlMetrics {
  Counter heartbeats;         // that were answered
  Counter failed_heartbeats;  // that were not, or refused
  std::array<Counter, kCallOutcomes.size()> calls;
  Counter call_retries;  // further attempts of calls

  // Of the controller on this broker, by call: from its arrival to its answer, with the commit between.
  std::array<DurationHistogram, kCallNames.size()> served;
};

}  // namespace millrace::control
