#include "broker/metadata/decisions.h"
#include "broker/metadata/moves.h"
#include "broker/metadata/partition_changes.h"
#include "broker/metadata/reassignment.h"

namespace millrace::metadata {

Decision<Result<MovePlan>> decide(const ControllerState& state, const Rebalance& command,
                                  const DecisionContext& context) {
  Decision<Result<MovePlan>> decision{.records = {}, .reply = MovePlan{}, .also = {}};
  if (command.moves_max < 1 || command.moves_max > kPlannedMovesMax) {
    decision.reply = Error{Errc::invalid_argument, std::to_string(command.moves_max) +
                                                       " partitions at a time are not between 1 and " +
                                                       std::to_string(kPlannedMovesMax)};
    return decision;
  }
  const int32_t moving = static_cast<int32_t>(list_reassignments(state.image(), std::nullopt).size());
  MovePlan plan = plan_rebalance(state.image(), std::max(0, command.moves_max - moving));
  PartitionChanges changes(state, context);
  for (const PlannedMove& move : plan.moves) {
    const TopicImage& topic = *state.image().find_topic(move.partition.topic);
    const PartitionImage& now = *state.image().find_partition(move.partition.topic, move.partition.partition);
    Result<PartitionImage> wanted = retargeted(now, move.after);
    ENSURE(wanted.has_value());  // the plan replaces one replica, and who leads stays in sync meanwhile
    changes.settle(topic, move.partition.partition, std::move(*wanted));
  }
  decision.records = changes.take_records();
  decision.reply = std::move(plan);
  return decision;
}

}  // namespace millrace::metadata
