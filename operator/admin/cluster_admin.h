#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/io/network.h"
#include "operator/admin/cluster_state.h"

namespace millrace::admin {

// What operators ask of brokers beyond Kafka's protocol: permits to stop, moves of leadership and replicas, the state
// of brokers and quorum (broker/rpc/wire/admin.proto). Synchronous; every call ends within the deadline that the client
// was made with. Thread-safe. Every change may be repeated: asking for what is so already changes nothing. Errors:
//   connection_refused, timed_out, connection_closed   no broker could be reached, or none that reaches the controller;
//     the words name each address and what was wrong there
//   cluster_mismatch, unsupported_version              who answers is of another cluster or version
//   broker_not_registered                              there is no such broker
//   the others                                         the controller's refusal, in words
class ClusterAdmin {
 public:
  virtual ~ClusterAdmin() = default;

  // Without a controller: what the first broker that answers saw last (ClusterState::no_controller says why).
  virtual Result<ClusterState> describe() = 0;
  // Every address by itself, at once, in the order of addresses(): also of brokers that have no controller.
  virtual std::vector<Result<BrokerSelf>> ask_each() = 0;
  virtual const std::vector<io::Endpoint>& addresses() const = 0;

  // Asking again as the same holder keeps the permit longer. `ttl` is at most an hour.
  virtual Result<StopAnswer> may_stop(const StopQuestion& question) = 0;
  // Whether it was held. policy_violation when somebody else holds it.
  virtual Result<bool> release_permit(BrokerId node, const std::string& holder) = 0;
  virtual Result<Drained> drain_leadership(BrokerId node) = 0;

  // `moves_max`: partitions that move at a time, 0: as many as is usual. Progress: describe().
  virtual Status decommission(BrokerId node, int32_t moves_max) = 0;
  virtual Result<bool> cancel_decommission(BrokerId node) = 0;  // whether it was decommissioned
  virtual Result<Moves> plan_decommission(BrokerId node) = 0;
  virtual Result<Moves> plan_rebalance() = 0;
  // One step: call it again until Moves::is_done().
  virtual Result<Moves> rebalance(int32_t moves_max) = 0;
  // policy_violation while it has replicas or is a member of the quorum; overloaded: call again, it goes on.
  virtual Status unregister(BrokerId node) = 0;
};

struct ClusterAdminOptions {
  std::vector<io::Endpoint> brokers;          // millrace.rpc.advertised.listener of some or all of them; not empty
  std::string cluster_id;                     // "": that of the first broker that answers
  std::chrono::milliseconds timeout{10'000};  // of a call, all attempts together
  std::chrono::milliseconds attempt_timeout{3'000};  // at one broker; the next one is asked then
};

// Makes clients. The controller holds one; tests hand it another.
class ClusterAdminConnector {
 public:
  virtual ~ClusterAdminConnector() = default;
  // Nothing is connected yet: the first call does. invalid_argument.
  virtual Result<std::unique_ptr<ClusterAdmin>> connect(ClusterAdminOptions options) = 0;
};

}  // namespace millrace::admin
