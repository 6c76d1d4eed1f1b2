#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/mutex.h"
#include "operator/admin/cluster_admin.h"

namespace millrace::admin {

// The brokers of one cluster in memory, for the tests of what operates them. It decides as the brokers' controller does
// (broker/README.md, "What the controller decides"): permits by what stays in sync and by the quorum's majority,
// decommissions and rebalances by moves that take time, unregistration only of who has nothing left. Thread-safe.
//
// Brokers answer at 127.0.0.1, port rpc_port(id).
class FakeClusterAdmin {
 public:
  static uint16_t rpc_port(int32_t id) { return static_cast<uint16_t>(20'000 + id); }

  explicit FakeClusterAdmin(const Clock& clock) : clock_(clock) {}

  // ---- what happens to brokers
  // Registers it, or a new process of it, and lets it in; its replicas are in sync at once, or after sync().
  void start_broker(int32_t id, bool in_sync = true);
  // Its process is gone; the controller has noticed.
  void stop_broker(int32_t id);
  void sync(int32_t id);
  // Partition i has its replicas on brokers i, i + 1, … of those that are registered; partitions that are there stay.
  void put_topic(const std::string& name, int32_t partitions, int32_t replicas, int32_t min_insync);
  void remove_topic(const std::string& name);
  // What moves arrives; then the next moves begin, of decommissions as many at a time as each may.
  void move_on();

  // ---- the metadata quorum
  void set_voters(std::set<int32_t> voters);
  std::set<int32_t> voters() const;
  Status add_voter(int32_t id);     // as AddRaftVoter
  Status remove_voter(int32_t id);  // as RemoveRaftVoter

  // ---- faults
  void set_reachable(bool reachable);  // no broker answers: connection_refused
  // Why there is no controller; "": there is one. Brokers tell what they saw last, and change nothing: timed_out.
  void set_no_controller(const std::string& why);
  // The next call of this name ("may_stop", …) fails once with this error, before or after it took effect.
  void fail_next(const std::string& call, Error error, bool after_effect = false);
  // Asked before and after each change, as FakeCluster::on_change().
  void on_change(std::function<std::optional<Error>(bool is_done)> hook);

  // ---- what there is
  ClusterState state() const;
  std::optional<std::string> holder_of(int32_t id) const;  // of a permit that has not expired
  int32_t replicas_on(int32_t id) const;
  // Every partition of several replicas has min.insync.replicas in sync, as far as it has as many.
  bool is_whole() const;
  // Calls that changed something, in order, such as "decommission 3"; what may_stop() refused is not among them.
  std::vector<std::string> changes() const;

  std::unique_ptr<ClusterAdminConnector> connector();

 private:
  class FakeClient;
  class FakeConnector;
  struct Broker {
    int64_t epoch = 0;
    bool fenced = true;
    std::optional<StopPermit> permit;
    std::optional<Decommission> decommission;
  };
  struct Partition {
    std::vector<int32_t> replicas;  // when it moves: where it goes
    std::set<int32_t> in_sync;
    std::optional<int32_t> leaves;  // still has a replica, until the move has arrived
    int32_t min_insync = 1;
    bool has(int32_t id) const;
    int32_t needed() const;
  };
  struct Fault {
    Error error;
    bool after_effect = false;
  };

  Status begin(const std::string& call) REQUIRES(mutex_);
  Status begin_change(const std::string& call) REQUIRES(mutex_);
  Status end_change(const std::string& call, const std::string& words) REQUIRES(mutex_);
  Result<Broker*> find(int32_t id) REQUIRES(mutex_);
  std::optional<StopPermit> permit_of(int32_t id) const REQUIRES(mutex_);
  bool is_gone(int32_t id) const REQUIRES(mutex_);  // fenced, or may be so at any time
  int32_t others_of(const std::set<int32_t>& ids, int32_t node) const REQUIRES(mutex_);
  StopAnswer judge(const StopQuestion& question) REQUIRES(mutex_);
  void judge_partitions(const StopQuestion& question, StopAnswer& answer) REQUIRES(mutex_);
  bool takes_replicas(int32_t id) const REQUIRES(mutex_);
  std::optional<int32_t> other_for(const Partition& partition) const REQUIRES(mutex_);
  int32_t count(int32_t id) const REQUIRES(mutex_);
  int32_t moving() const REQUIRES(mutex_);
  Moves planned(std::optional<int32_t> leaving, int32_t moves_max, bool begin) REQUIRES(mutex_);
  std::optional<std::pair<int32_t, int32_t>> uneven(const std::map<int32_t, int32_t>& load) const;
  BrokerState broker_state(int32_t id, const Broker& broker) const REQUIRES(mutex_);
  Decommission progress(int32_t id, const Decommission& so_far) const REQUIRES(mutex_);
  ClusterState describe() const REQUIRES(mutex_);
  Result<BrokerSelf> self_at(const io::Endpoint& address) const REQUIRES(mutex_);

  const Clock& clock_;
  mutable Mutex mutex_;  // a leaf
  std::map<int32_t, Broker> brokers_ GUARDED_BY(mutex_);
  std::map<std::pair<std::string, int32_t>, Partition> partitions_ GUARDED_BY(mutex_);
  std::set<int32_t> voters_ GUARDED_BY(mutex_);
  int64_t next_epoch_ GUARDED_BY(mutex_) = 1;
  bool reachable_ GUARDED_BY(mutex_) = true;
  std::string no_controller_ GUARDED_BY(mutex_);
  Timestamp no_controller_since_ GUARDED_BY(mutex_) = kNoTimestamp;
  std::map<std::string, Fault> faults_ GUARDED_BY(mutex_);
  std::function<std::optional<Error>(bool is_done)> hook_ GUARDED_BY(mutex_);
  std::vector<std::string> changes_ GUARDED_BY(mutex_);
};

}  // namespace millrace::admin
