#include <map>

#include "broker/metadata/metadata_config.h"
#include "broker/metadata/upkeep.h"

namespace millrace::metadata {
namespace {

struct Share {
  int64_t preferred = 0;  // partitions that the broker should lead
  int64_t elsewhere = 0;  // of these, led by another
};

std::map<BrokerId, Share> shares_of(const ClusterImage& image) {
  std::map<BrokerId, Share> shares;
  for (const auto& [name, topic] : image.topics()) {
    for (const PartitionImage& partition : topic->partitions) {
      Share& share = shares[partition.replicas.front()];
      ++share.preferred;
      if (partition.leader != partition.replicas.front()) ++share.elsewhere;
    }
  }
  return shares;
}

}  // namespace

bool balance_leaders(PartitionChanges& changes, const ControllerState& state, const DecisionContext& context) {
  const ClusterImage& image = state.image();
  if (effective_broker_config(image, kLeaderRebalanceEnable, context.config) != "true") return false;
  const std::chrono::seconds interval{effective_broker_int(image, kLeaderImbalanceCheckSeconds, context.config)};
  if (context.now.monotonic - state.balanced_at < interval) return false;
  const int64_t percentage = effective_broker_int(image, kLeaderImbalancePercentage, context.config);
  std::map<BrokerId, Share> shares = shares_of(image);
  for (const auto& [name, topic] : image.topics()) {
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      const PartitionImage& now = topic->partitions[i];
      const BrokerId preferred = now.replicas.front();
      const Share& share = shares[preferred];
      if (now.leader == preferred || share.elsewhere * 100 <= share.preferred * percentage) continue;
      if (!holds(now.isr, preferred) || !changes.standing().remains(preferred)) continue;
      if (changes.size() >= kElectionsPerTickMax) return false;
      changes.settle(*topic, PartitionIndex{static_cast<int32_t>(i)}, now, {.prefer_first = true});
    }
  }
  return true;
}

}  // namespace millrace::metadata
