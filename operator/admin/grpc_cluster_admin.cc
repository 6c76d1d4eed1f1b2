#include "operator/admin/grpc_cluster_admin.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <utility>

#include "broker/base/mutex.h"
#include "broker/rpc/wire/admin.grpc.pb.h"
#include "broker/rpc/wire/grpc_runtime.h"
#include "operator/admin/cluster_codec.h"
#include "operator/admin/grpc_attempt.h"

namespace millrace::admin {
namespace {

namespace v1 = rpc::v1;
using std::chrono::milliseconds;
using Stub = v1::ClusterAdmin::Stub;
template <class Request, class Reply>
using Method = grpc::Status (Stub::*)(grpc::ClientContext*, const Request&, Reply*);

struct Broker {
  io::Endpoint at;
  std::unique_ptr<Stub> stub;
};

class GrpcClusterAdmin final : public ClusterAdmin {
 public:
  explicit GrpcClusterAdmin(ClusterAdminOptions options)
      : options_(std::move(options)), cluster_id_(options_.cluster_id) {
    for (const io::Endpoint& at : options_.brokers) brokers_.push_back({at, v1::ClusterAdmin::NewStub(channel_to(at))});
  }

  const std::vector<io::Endpoint>& addresses() const override { return options_.brokers; }

  Result<ClusterState> describe() override {
    std::optional<v1::ClusterReport> seen;  // by the first broker that has no controller
    auto report = ask<v1::ClusterReport>(&Stub::DescribeCluster, v1::DescribeClusterRequest{},
                                         [&seen](const v1::ClusterReport& reply) -> Status {
                                           if (reply.no_controller().empty()) return ok();
                                           if (!seen) seen = reply;
                                           return Error{Errc::timed_out, reply.no_controller()};
                                         });
    if (report) return decode(*report);
    if (seen) return decode(*seen);
    return std::move(report).error();
  }

  std::vector<Result<BrokerSelf>> ask_each() override;

  Result<StopAnswer> may_stop(const StopQuestion& question) override {
    v1::MayStopRequest request;
    encode(question, request);
    return decoded(ask<v1::MayStopReply>(&Stub::MayStop, request));
  }
  Result<bool> release_permit(BrokerId node, const std::string& holder) override {
    v1::ReleasePermitRequest request;
    request.set_node(node.value());
    request.set_holder(holder);
    TRY_ASSIGN(const auto reply, ask<v1::ReleasePermitReply>(&Stub::ReleasePermit, request));
    return reply.was_held();
  }
  Result<Drained> drain_leadership(BrokerId node) override {
    v1::DrainLeadershipRequest request;
    request.set_node(node.value());
    return decoded(ask<v1::DrainLeadershipReply>(&Stub::DrainLeadership, request));
  }
  Status decommission(BrokerId node, int32_t moves_max) override {
    v1::DecommissionRequest request;
    request.set_node(node.value());
    request.set_moves_max(moves_max);
    TRY(ask<v1::DecommissionReply>(&Stub::Decommission, request));
    return ok();
  }
  Result<bool> cancel_decommission(BrokerId node) override {
    v1::CancelDecommissionRequest request;
    request.set_node(node.value());
    TRY_ASSIGN(const auto reply, ask<v1::CancelDecommissionReply>(&Stub::CancelDecommission, request));
    return reply.was_decommissioned();
  }
  Result<Moves> plan_decommission(BrokerId node) override {
    v1::PlanMovesRequest request;
    request.set_decommission(node.value());
    return decoded(ask<v1::MovesReply>(&Stub::PlanMoves, request));
  }
  Result<Moves> plan_rebalance() override {
    v1::PlanMovesRequest request;
    request.set_rebalance(true);
    return decoded(ask<v1::MovesReply>(&Stub::PlanMoves, request));
  }
  Result<Moves> rebalance(int32_t moves_max) override {
    v1::RebalanceRequest request;
    request.set_moves_max(moves_max);
    return decoded(ask<v1::MovesReply>(&Stub::Rebalance, request));
  }
  Status unregister(BrokerId node) override {
    v1::UnregisterRequest request;
    request.set_node(node.value());
    Failures before;
    const auto reply = ask<v1::UnregisterReply>(&Stub::Unregister, request, {}, &before);
    if (reply) return ok();
    // One that an address forgot without saying so is not there for the next.
    if (reply.error().code == Errc::broker_not_registered && before.may_have_happened()) return ok();
    return reply.error();
  }

 private:
  template <class Reply>
  static auto decoded(const Result<Reply>& reply) -> Result<decltype(decode(*reply))> {
    if (!reply) return reply.error();
    return decode(*reply);
  }

  std::string cluster_id() const EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return cluster_id_;
  }
  // The first one told counts; that is returned.
  std::string learn(const std::string& cluster_id) EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (cluster_id_.empty()) cluster_id_ = cluster_id;
    return cluster_id_;
  }

  // Asks the addresses in turn until one serves the call and `accept`, unless empty, takes its reply.
  template <class Reply, class Request>
  Result<Reply> ask(Method<Request, Reply> method, const Request& request,
                    const std::function<Status(const Reply&)>& accept = {}, Failures* failures = nullptr) {
    const Deadline deadline = Deadline::in(options_.timeout);
    if (cluster_id().empty()) {
      Failures unknown;
      TRY_ASSIGN(const auto self,
                 walk<v1::BrokerSelf>(&Stub::DescribeBroker, v1::DescribeBrokerRequest{}, {}, deadline, unknown));
      learn(self.cluster_id());
    }
    Failures own;
    return walk<Reply>(method, request, accept, deadline, failures == nullptr ? own : *failures);
  }

  template <class Reply, class Request>
  Result<Reply> walk(Method<Request, Reply> method, const Request& request,
                     const std::function<Status(const Reply&)>& accept, Deadline deadline, Failures& failures) {
    const size_t first = first_.load(std::memory_order_relaxed);
    for (size_t i = 0; i < brokers_.size(); ++i) {
      const size_t at = (first + i) % brokers_.size();
      const Broker& broker = brokers_[at];
      if (deadline.left() <= milliseconds(0)) {
        failures.add(broker.at, {Failure::Kind::unreachable, {Errc::timed_out, "no time was left to ask"}});
        continue;
      }
      Attempt attempt(cluster_id(), deadline.but_within(options_.attempt_timeout));
      Reply reply;
      const grpc::Status status = ((*broker.stub).*method)(attempt.context(), request, &reply);
      std::optional<Failure> failure = attempt.failure(status, broker.at);
      if (!failure && accept) {
        if (const Status taken = accept(reply); !taken) failure = {Failure::Kind::no_controller, taken.error()};
      }
      if (failure && failure->kind != Failure::Kind::refusal) {
        failures.add(broker.at, *failure);
        continue;
      }
      first_.store(at, std::memory_order_relaxed);
      if (failure) return failure->why;
      return reply;
    }
    return failures.error();
  }

  const ClusterAdminOptions options_;
  std::vector<Broker> brokers_;   // in the order of the options
  std::atomic<size_t> first_{0};  // to be asked
  mutable Mutex mutex_;           // a leaf
  std::string cluster_id_ GUARDED_BY(mutex_);
};

// ---- all of them at once

struct Asked {
  Asked(const std::string& cluster_id, Deadline deadline) : attempt(cluster_id, deadline) {}
  Attempt attempt;
  v1::DescribeBrokerRequest request;
  v1::BrokerSelf reply;
  grpc::Status status;
};

// Counts down to the last of them.
class Latch {
 public:
  explicit Latch(size_t count) : left_(count) {}
  void arrive() {
    MutexLock lock(mutex_);
    if (--left_ == 0) none_.notify_all();
  }
  void wait() {
    MutexLock lock(mutex_);
    while (left_ > 0) none_.wait(mutex_);
  }

 private:
  Mutex mutex_;
  Condition none_;
  size_t left_ GUARDED_BY(mutex_);
};

std::vector<Result<BrokerSelf>> GrpcClusterAdmin::ask_each() {
  const std::string known = cluster_id();
  const Deadline deadline = Deadline::in(std::min(options_.timeout, options_.attempt_timeout));
  std::vector<std::unique_ptr<Asked>> asked;
  Latch latch(brokers_.size());
  for (const Broker& broker : brokers_) {
    Asked& each = *asked.emplace_back(std::make_unique<Asked>(known, deadline));
    broker.stub->async()->DescribeBroker(each.attempt.context(), &each.request, &each.reply,
                                         [&each, &latch](const grpc::Status& status) {
                                           each.status = status;
                                           latch.arrive();
                                         });
  }
  latch.wait();
  std::vector<Result<BrokerSelf>> answers;
  for (size_t i = 0; i < brokers_.size(); ++i) {
    const io::Endpoint& at = brokers_[i].at;
    if (const auto failure = asked[i]->attempt.failure(asked[i]->status, at)) {
      answers.emplace_back(Error{told_as(failure->why.code), at.to_string() + ": " + failure->why.context});
      continue;
    }
    BrokerSelf self = decode(asked[i]->reply);
    if (const std::string cluster = learn(self.cluster_id); cluster != self.cluster_id) {
      answers.emplace_back(Error{Errc::cluster_mismatch, at.to_string() + ": broker " +
                                                             std::to_string(self.id.value()) + " belongs to cluster " +
                                                             self.cluster_id + ", others to cluster " + cluster});
      continue;
    }
    answers.emplace_back(std::move(self));
  }
  return answers;
}

}  // namespace

Result<std::unique_ptr<ClusterAdmin>> GrpcClusterAdminConnector::connect(ClusterAdminOptions options) {
  if (options.brokers.empty()) return Error{Errc::invalid_argument, "no address of a broker"};
  for (const io::Endpoint& at : options.brokers) {
    if (at.host.empty() || at.port == 0) return Error{Errc::invalid_argument, at.to_string() + " is not HOST:PORT"};
  }
  if (options.timeout <= milliseconds(0) || options.attempt_timeout <= milliseconds(0)) {
    return Error{Errc::invalid_argument, "no time for a call"};
  }
  rpc::prepare_grpc();
  return std::unique_ptr<ClusterAdmin>(std::make_unique<GrpcClusterAdmin>(std::move(options)));
}

}  // namespace millrace::admin
