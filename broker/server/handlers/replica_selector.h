#pragma once

#include <string_view>
#include <vector>

#include "broker/metadata/cluster_image.h"
#include "broker/replication/partition_types.h"

namespace millrace::server {

// Which of the in-sync `replicas` elsewhere a consumer in `rack` reads from instead of the leader, `self` (KIP-392):
// one in its rack that is alive and can be reached by `listener`, the most caught up first. kNoBroker: the leader,
// which is in the rack itself, or nobody is.
BrokerId select_replica(const metadata::ClusterImage& image, BrokerId self, std::string_view rack,
                        std::string_view listener, const std::vector<replication::ReplicaView>& replicas);

}  // namespace millrace::server
