#pragma once

#include "broker/metadata/partition_changes.h"

namespace millrace::metadata {

// What a tick does in the background; see decide_tick.cc.

// Starts reassignments off brokers that are decommissioned, as many as each may have under way.
void drain_decommissioned(PartitionChanges& changes, const ControllerState& state);

// Remembers where decommissions were when this controller first saw them.
void note_pace(ControllerState& state, TimePoint now);

// Gives leadership back to preferred leaders when leader.imbalance.check.interval.seconds have passed, for brokers of
// which a larger part than leader.imbalance.per.broker.percentage of what they should lead is led by others. At most
// kElectionsPerTickMax; answers whether it looked and is done.
bool balance_leaders(PartitionChanges& changes, const ControllerState& state, const DecisionContext& context);
inline constexpr size_t kElectionsPerTickMax = 1'000;

}  // namespace millrace::metadata
