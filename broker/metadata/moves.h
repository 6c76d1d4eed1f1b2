#pragma once

#include "broker/metadata/broker_commands.h"
#include "broker/metadata/controller_state.h"

namespace millrace::metadata {

// Plans of moves: what would happen, decided from values alone. Of a plan at most `moves_max` moves are listed.
inline constexpr int32_t kPlannedMovesMax = 1'000;

// Spreads replicas over the brokers that take some (alive, not shutting down, not decommissioned), so that in the end
// none has two more than another, as far as racks allow: no partition comes to lie in fewer racks. From the fullest
// broker to the emptiest, rather partitions of topics of which the one has more than the other, and a preferred
// leader's replica when the one has more of these. Partitions that move already count as if they had, and are left
// alone, as are those without leader. With moves_max 0 it only counts.
MovePlan plan_rebalance(const ClusterImage& image, int32_t moves_max);

// All that a decommission of `node` would move, or will.
MovePlan plan_decommission(const ControllerState& state, BrokerId node, int32_t moves_max);

}  // namespace millrace::metadata
