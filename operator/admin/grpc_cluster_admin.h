#pragma once

#include "operator/admin/cluster_admin.h"

namespace millrace::admin {

// ClusterAdmin over gRPC. Calls run on their callers' threads and on gRPC's own. An address is asked once for each
// call; the one that served last comes first. The next one is asked when an address does not answer in time, is of
// another cluster or version, or has reached no controller: whatever that one has begun, a repetition does no harm.
class GrpcClusterAdminConnector final : public ClusterAdminConnector {
 public:
  Result<std::unique_ptr<ClusterAdmin>> connect(ClusterAdminOptions options) override;
};

}  // namespace millrace::admin
