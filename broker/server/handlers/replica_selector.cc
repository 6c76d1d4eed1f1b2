#include "broker/server/handlers/replica_selector.h"

#include <tuple>

namespace millrace::server {

BrokerId select_replica(const metadata::ClusterImage& image, BrokerId self, std::string_view rack,
                        std::string_view listener, const std::vector<replication::ReplicaView>& replicas) {
  const metadata::BrokerImage* leader = image.find_broker(self);
  if (leader != nullptr && leader->rack == rack) return kNoBroker;
  const replication::ReplicaView* best = nullptr;
  for (const replication::ReplicaView& replica : replicas) {
    const metadata::BrokerImage* broker = image.find_broker(replica.broker);
    if (broker == nullptr || broker->fenced || broker->rack != rack || broker->endpoint(listener) == nullptr) continue;
    const auto rank = [](const replication::ReplicaView& view) {
      return std::tuple(view.log_end, -view.lag, view.broker);
    };
    if (best == nullptr || rank(replica) > rank(*best)) best = &replica;
  }
  return best == nullptr ? kNoBroker : best->broker;
}

}  // namespace millrace::server
