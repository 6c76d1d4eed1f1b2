#pragma once

#include <cstdint>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/metadata/cluster_image.h"

namespace millrace::metadata {

using Replicas = std::vector<BrokerId>;  // of one partition; the first is its preferred leader

// Where the `count` partitions that follow `existing` go: on brokers that are alive, do not shut down and are not
// decommissioned. A partition's replicas lie in as many racks as there are. With racks of equal size (or none) no
// broker leads or holds more than one partition of the topic more than another; with others, racks get replicas in
// proportion to their size as far as the first rule allows, and the brokers of a rack equally many. Each time round the
// brokers the order is another one, so that the partitions of a failed leader spread over all others. `seed` (the
// topic's) says where it begins, so that topics of one partition do not all land on the first broker.
// invalid_replication_factor when it exceeds the brokers.
Result<std::vector<Replicas>> place_partitions(const ClusterImage& image, const std::vector<PartitionImage>& existing,
                                               int32_t count, int32_t replication_factor, uint64_t seed);

// A new partition on `replicas`, at least one of them not fenced: in sync are the live ones, led by the first of them.
PartitionImage new_partition(const ClusterImage& image, Replicas replicas, Timestamp now_ms);

}  // namespace millrace::metadata
