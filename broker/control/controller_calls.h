#pragma once

#include <functional>
#include <optional>
#include <string>
#include <variant>

#include "broker/base/bytes.h"
#include "broker/base/clock.h"
#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/metadata/broker_commands.h"
#include "broker/metadata/cluster_report.h"
#include "broker/metadata/commands.h"
#include "broker/metadata/partition_commands.h"

namespace millrace::control {

// What a broker asks of the controller, wherever that is. Each is answered by the value beside it, or by an error:
// not_controller when the called node does not lead the quorum (nothing happened); not_found when its address is not
// known here (likewise); connection_refused, connection_closed or timed_out when the call got lost on the way there or
// back (it may have happened); or the controller's own.
struct EnsureOffsetsTopic {};  // int32_t partitions
struct AutoCreateTopic {       // Unit; topic_already_exists counts as success with its caller
  std::string name;
};
// A client's request that only the controller may answer, as the client sent it: header and body without the size. The
// answer is the reply's frame without the size, with the client's correlation id.
struct ForwardedRequest {
  Bytes frame;
  std::string client_host;  // for logs and for what the controller may limit per client
  std::string listener;     // that the client came in by: the answer names addresses of this one
};
struct ForwardedReply {
  Bytes frame;
};
struct OffsetsTopicReply {
  int32_t partitions = 0;
};
struct PlanMoves {                       // metadata::MovePlan; changes nothing
  std::optional<BrokerId> decommission;  // none: of a rebalance
};
struct DescribeCluster {};  // metadata::ClusterReport
// Of ReleasePermit and CancelDecommission: whether there was what they ended. That there was none is no error.
struct WasSo {
  bool was_so = false;
};

using ControllerCall = std::variant<metadata::RegisterBroker, metadata::BrokerHeartbeat, metadata::AlterPartition,
                                    metadata::AllocateProducerIds, EnsureOffsetsTopic, AutoCreateTopic,
                                    ForwardedRequest, metadata::MayStop, metadata::ReleasePermit,
                                    metadata::DrainLeadership, metadata::Decommission, metadata::CancelDecommission,
                                    metadata::Rebalance, PlanMoves, metadata::UnregisterBroker, DescribeCluster>;
using ControllerAnswer =
    std::variant<metadata::RegisterBrokerReply, metadata::BrokerHeartbeatReply, metadata::AlterPartitionReply,
                 metadata::ProducerIdBlock, OffsetsTopicReply, Unit, ForwardedReply, metadata::MayStopReply, WasSo,
                 metadata::DrainLeadershipReply, metadata::MovePlan, metadata::ClusterReport>;

using ControllerDone = std::function<void(Result<ControllerAnswer>)>;

// The way to the controller on another broker. Thread-safe.
class ControllerChannel {
 public:
  virtual ~ControllerChannel() = default;
  // Calls `done` once, on any thread, within `timeout`, never from within call().
  virtual void call(BrokerId controller, ControllerCall call, Duration timeout, ControllerDone done) = 0;
};

// Answers the calls of other brokers. Any thread; `done` once, on any thread.
class ControllerServer {
 public:
  virtual ~ControllerServer() = default;
  virtual void serve(BrokerId caller, ControllerCall call, ControllerDone done) = 0;
};

}  // namespace millrace::control
