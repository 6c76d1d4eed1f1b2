#include "broker/metadata/decisions.h"
#include "broker/metadata/partition_changes.h"

namespace millrace::metadata {

Decision<Result<DrainLeadershipReply>> decide(const ControllerState& state, const DrainLeadership& command,
                                              const DecisionContext& context) {
  const BrokerId node = command.node;
  Decision<Result<DrainLeadershipReply>> decision{.records = {}, .reply = DrainLeadershipReply{}, .also = {}};
  if (state.image().find_broker(node) == nullptr) {
    decision.reply = Error{Errc::broker_not_registered, "broker " + std::to_string(node.value())};
    return decision;
  }
  DrainLeadershipReply reply;
  PartitionChanges changes(state, context);
  reply.more =
      !for_each_of(state, {node}, [&](const TopicImage& topic, PartitionIndex index, const PartitionImage& now) {
        if (now.leader != node) return true;
        if (changes.full()) return false;
        const std::optional<PartitionImage> after = changes.settle(topic, index, now, {.leaves = node});
        if (after && after->leader != node) {
          ++reply.moved;
        } else if (reply.left++; reply.first_left.size() < kNamedPartitionsMax) {
          reply.first_left.push_back({topic.name, index});
        }
        return true;
      });
  decision.records = changes.take_records();
  decision.reply = std::move(reply);
  return decision;
}

}  // namespace millrace::metadata
