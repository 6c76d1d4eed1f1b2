#pragma once

#include "broker/base/result.h"
#include "broker/control/controller_calls.h"
#include "broker/rpc/admin_backend.h"

namespace millrace::rpc {
namespace v1 {
class BrokerSelf;
class CancelDecommissionRequest;
class ClusterReport;
class DecommissionRequest;
class DescribeClusterRequest;
class DrainLeadershipReply;
class DrainLeadershipRequest;
class MayStopReply;
class MayStopRequest;
class MovesReply;
class PlanMovesRequest;
class RebalanceRequest;
class ReleasePermitRequest;
class UnregisterRequest;
}  // namespace v1

// Messages of admin.proto as the controller's commands and answers: operators send them to brokers, and brokers to the
// controller. Errors of decoding: malformed; the others say what cannot be asked for.
inline constexpr size_t kHolderBytesMax = 255;  // of a permit: it is kept in the metadata log

void encode(const metadata::MayStop& from, v1::MayStopRequest& to);
void encode(const metadata::ReleasePermit& from, v1::ReleasePermitRequest& to);
void encode(const metadata::DrainLeadership& from, v1::DrainLeadershipRequest& to);
void encode(const metadata::Decommission& from, v1::DecommissionRequest& to);
void encode(const metadata::CancelDecommission& from, v1::CancelDecommissionRequest& to);
void encode(const metadata::Rebalance& from, v1::RebalanceRequest& to);
void encode(const control::PlanMoves& from, v1::PlanMovesRequest& to);
void encode(const metadata::UnregisterBroker& from, v1::UnregisterRequest& to);

Result<control::ControllerCall> decode(const v1::MayStopRequest& from);
Result<control::ControllerCall> decode(const v1::ReleasePermitRequest& from);
Result<control::ControllerCall> decode(const v1::DrainLeadershipRequest& from);
Result<control::ControllerCall> decode(const v1::DecommissionRequest& from);
Result<control::ControllerCall> decode(const v1::CancelDecommissionRequest& from);
Result<control::ControllerCall> decode(const v1::RebalanceRequest& from);
Result<control::ControllerCall> decode(const v1::PlanMovesRequest& from);
Result<control::ControllerCall> decode(const v1::UnregisterRequest& from);
Result<control::ControllerCall> decode(const v1::DescribeClusterRequest& from);

void encode(const metadata::MayStopReply& from, v1::MayStopReply& to);
void encode(const metadata::DrainLeadershipReply& from, v1::DrainLeadershipReply& to);
void encode(const metadata::MovePlan& from, v1::MovesReply& to);
void encode(const metadata::ClusterReport& from, v1::ClusterReport& to);
void encode(const BrokerSelf& from, v1::BrokerSelf& to);

Result<metadata::MayStopReply> decode(const v1::MayStopReply& from);
metadata::DrainLeadershipReply decode(const v1::DrainLeadershipReply& from);
metadata::MovePlan decode(const v1::MovesReply& from);
Result<metadata::ClusterReport> decode(const v1::ClusterReport& from);

}  // namespace millrace::rpc
