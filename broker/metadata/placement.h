#pragma once

#include <cstdint>
#include <vector>

#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/metadata/cluster_image.h"

namespace millrace::metadata {

using Replicas = std::vector<BrokerId>;  // of one partition; the first is its preferred leader

// Where `count` new partitions from `first` on go: round robin over the live brokers, racks taken in turn, so that
// leaders are even and a partition's replicas lie in as many racks as there are. `seed` rotates the start, so that
// one-partition topics do not all land on the first broker. invalid_replication_factor when it exceeds the live
// brokers.
Result<std::vector<Replicas>> place_partitions(const ClusterImage& image, int32_t first, int32_t count,
                                               int32_t replication_factor, uint64_t seed);

// A new partition on `replicas`: in sync are the live ones, led by the first of them.
PartitionImage new_partition(const ClusterImage& image, Replicas replicas);

}  // namespace millrace::metadata
