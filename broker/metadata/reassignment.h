#pragma once

#include <vector>

#include "broker/base/result.h"
#include "broker/metadata/cluster_image.h"
#include "broker/metadata/partition_rules.h"

namespace millrace::metadata {

// The replicas that a partition had before a reassignment that is under way.
std::vector<BrokerId> replicas_before(const PartitionImage& partition);

// `now` on its way to `target` (KIP-455): its replicas are those of the target, in their order, and then those that go
// once all new ones are in sync. Replicas that an earlier reassignment was adding and the target lacks go at once.
// invalid_replica_assignment when no replica that is in sync would be left.
Result<PartitionImage> retargeted(const PartitionImage& now, const std::vector<BrokerId>& target);

// `now` back to what it was. no_reassignment_in_progress, or invalid_replica_assignment when no replica that it had is
// in sync.
Result<PartitionImage> cancelled(const PartitionImage& now);

}  // namespace millrace::metadata
