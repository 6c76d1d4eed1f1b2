#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/base/mutex.h"
#include "broker/io/posix/real_clock.h"
#include "broker/rpc/admin_service.h"
#include "broker/rpc/rpc_server.h"

namespace millrace::rpc {

// A broker that serves ClusterAdmin on 127.0.0.1 and whose controller the test plays. Thread-safe.
class PlayedBroker final : public AdminBackend {
 public:
  explicit PlayedBroker(int node = 1, const std::string& cluster = "c", int32_t version = kProtocolVersion)
      : identity_{.version = version,
                  .cluster_id = cluster,
                  .node = BrokerId{node},
                  .incarnation = Uuid::from_random(2, static_cast<uint64_t>(node))},
        service_(make_admin_service(identity_, {}, *this)) {
    auto server = RpcServer::open(
        loops_, {.at = {"127.0.0.1", 0}, .self = identity_, .unary_loop = loop_.get(), .services = {service_.get()}});
    ENSURE(server.has_value());
    server_ = std::move(*server);
    known_.id = identity_.node;
    known_.cluster_id = cluster;
    seen_.cluster_id = cluster;
  }
  ~PlayedBroker() override { stop(); }

  const io::Endpoint& at() const { return server_->at(); }
  void stop() { server_->stop(Duration::zero()); }

  // Calls of the controller are answered so from now on; without a value they wait for answer_waiting().
  void answer(std::optional<Result<control::ControllerAnswer>> with) {
    MutexLock lock(mutex_);
    answer_ = std::move(with);
  }
  void know(BrokerSelf self) {
    MutexLock lock(mutex_);
    known_ = std::move(self);
  }
  void have_seen(metadata::ClusterReport report) {
    MutexLock lock(mutex_);
    seen_ = std::move(report);
  }

  std::vector<control::ControllerCall> calls() const {
    MutexLock lock(mutex_);
    return calls_;
  }
  std::vector<Duration> timeouts() const {
    MutexLock lock(mutex_);
    return timeouts_;
  }
  // Returns once so many calls wait.
  void wait_for_waiting(size_t count) {
    MutexLock lock(mutex_);
    while (waiting_.size() < count) changed_.wait(mutex_);
  }
  std::vector<control::ControllerDone> take_waiting() {
    MutexLock lock(mutex_);
    return std::exchange(waiting_, {});
  }

  BrokerSelf self() const override {
    MutexLock lock(mutex_);
    return known_;
  }
  metadata::ClusterReport last_seen() const override {
    MutexLock lock(mutex_);
    return seen_;
  }
  void ask(control::ControllerCall call, Duration timeout, control::ControllerDone done) override {
    std::optional<Result<control::ControllerAnswer>> answer;
    {
      MutexLock lock(mutex_);
      calls_.push_back(std::move(call));
      timeouts_.push_back(timeout);
      answer = answer_;
      if (!answer) waiting_.push_back(std::move(done));
      changed_.notify_all();
    }
    if (answer) done(*std::move(answer));
  }

 private:
  const Identity identity_;
  mutable Mutex mutex_;
  Condition changed_;
  BrokerSelf known_ GUARDED_BY(mutex_);
  metadata::ClusterReport seen_ GUARDED_BY(mutex_);
  std::optional<Result<control::ControllerAnswer>> answer_ GUARDED_BY(mutex_);
  std::vector<control::ControllerCall> calls_ GUARDED_BY(mutex_);
  std::vector<Duration> timeouts_ GUARDED_BY(mutex_);
  std::vector<control::ControllerDone> waiting_ GUARDED_BY(mutex_);
  io::posix::RealClock clock_;
  RpcLoops loops_;
  std::unique_ptr<QueueEventLoop> loop_ = loops_.start("rpc", clock_).value();
  std::unique_ptr<UnaryService> service_;
  std::unique_ptr<RpcServer> server_;
};

// A report in which everything is said, and everything that may be absent is.
inline metadata::ClusterReport full_report() {
  metadata::BrokerReport full{
      .id = BrokerId{INT32_MAX},
      .epoch = INT64_MAX,
      .directory_id = Uuid::from_random(5, 6),
      .fenced = false,
      .shutting_down = true,
      .state_since_ms = 1'700'000'000'000,
      .heard_ago = std::chrono::milliseconds{0},
      .rack = "räck",
      .listeners = {{"PLAINTEXT", "a", 65535}, {"INNER", "::1", 1}},
      .rpc = {"r", 9091},
      .counts = {.replicas = 100'000, .leaders = 3, .in_sync = 99'999},
      .permit = metadata::StopPermit{"me", 1, 2},
      .decommission = metadata::DecommissionProgress{.since_ms = 4,
                                                     .moves_max = 20,
                                                     .partitions_left = 7,
                                                     .moving = 2,
                                                     .stuck = 1,
                                                     .first_stuck = metadata::PartitionName{"t", PartitionIndex{0}},
                                                     .remaining = std::chrono::hours{900}}};
  metadata::BrokerReport bare{.id = BrokerId{0}};
  metadata::BrokerReport leaving{.id = BrokerId{1}, .decommission = metadata::DecommissionProgress{.since_ms = 0}};
  return {.cluster_id = "c",
          .controller = BrokerId{INT32_MAX},
          .applied = Offset{INT64_MAX},
          .now_ms = INT64_MAX,
          .topics = 1,
          .partitions = 100'000,
          .leaderless = INT32_MAX,
          .brokers = {bare, leaving, full},
          .voters = {{BrokerId{0}, true}, {BrokerId{1}, false}}};
}

}  // namespace millrace::rpc
