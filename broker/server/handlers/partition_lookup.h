#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/metadata/cluster_image.h"
#include "broker/protocol/error_code.h"
#include "broker/replication/partition.h"
#include "broker/server/handler.h"

namespace millrace::server {

// A partition of this broker as a request names it, or what the client is to be told instead.
struct PartitionLookup {
  std::shared_ptr<replication::Partition> partition;  // null: error says why
  protocol::ErrorCode error = protocol::ErrorCode::none;
};

// By topic id when `topic_id` is not zero, else by name: unknown topic or partition (3, or 100 by id), led by another
// broker (6), log not open here (56). Looks at the image only when the partition is not here.
PartitionLookup find_partition(const Services& services, std::string_view topic, const Uuid& topic_id,
                               PartitionIndex partition);

// Whom a client that came to the wrong broker should ask (KIP-951): the partition's leader as the image has it.
struct LeaderHint {
  BrokerId leader = kNoBroker;
  LeaderEpoch epoch = kNoLeaderEpoch;
};
LeaderHint leader_hint(const metadata::ClusterImage& image, std::string_view topic, const Uuid& topic_id,
                       PartitionIndex partition);

}  // namespace millrace::server
