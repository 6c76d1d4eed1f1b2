#pragma once

#include "operator/admin/cluster_state.h"

namespace millrace::rpc::v1 {
class BrokerSelf;
class ClusterReport;
class DrainLeadershipReply;
class MayStopReply;
class MayStopRequest;
class MovesReply;
}  // namespace millrace::rpc::v1

namespace millrace::admin {

// Messages of broker/rpc/wire/admin.proto as operators' values. What a later broker says and this build does not know
// is left out, or `unknown`.
void encode(const StopQuestion& from, rpc::v1::MayStopRequest& to);
StopAnswer decode(const rpc::v1::MayStopReply& from);
Drained decode(const rpc::v1::DrainLeadershipReply& from);
Moves decode(const rpc::v1::MovesReply& from);
ClusterState decode(const rpc::v1::ClusterReport& from);
BrokerSelf decode(const rpc::v1::BrokerSelf& from);

}  // namespace millrace::admin
