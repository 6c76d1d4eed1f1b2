#include "operator/admin/fake_cluster_admin.h"

#include <algorithm>
#include <utility>

#include "broker/base/uuid.h"

namespace millrace::admin {

namespace {

std::string name_of(int32_t id) { return "broker " + std::to_string(id); }

}  // namespace

class FakeClusterAdmin::FakeClient final : public ClusterAdmin {
 public:
  FakeClient(FakeClusterAdmin& cluster, ClusterAdminOptions options)
      : cluster_(cluster), options_(std::move(options)) {}

  Result<ClusterState> describe() override {
    MutexLock lock(cluster_.mutex_);
    TRY(cluster_.begin("describe"));
    return cluster_.describe();
  }

  std::vector<Result<BrokerSelf>> ask_each() override {
    MutexLock lock(cluster_.mutex_);
    std::vector<Result<BrokerSelf>> result;
    for (const io::Endpoint& address : options_.brokers) result.push_back(cluster_.self_at(address));
    return result;
  }

  const std::vector<io::Endpoint>& addresses() const override { return options_.brokers; }

  Result<StopAnswer> may_stop(const StopQuestion& question) override {
    MutexLock lock(cluster_.mutex_);
    TRY(cluster_.begin_change("may_stop"));
    TRY_ASSIGN(Broker * broker, cluster_.find(question.node.value()));
    StopAnswer answer = cluster_.judge(question);
    if (!answer.granted) return answer;
    const std::optional<StopPermit> held = cluster_.permit_of(question.node.value());
    const Timestamp now = cluster_.clock_.wall_ms();
    answer.expires_ms = now + question.ttl.count();
    broker->permit = StopPermit{question.holder, held ? held->granted_ms : now, answer.expires_ms};
    TRY(cluster_.end_change("may_stop", held ? "" : "permit " + std::to_string(question.node.value())));
    return answer;
  }

  Result<bool> release_permit(BrokerId node, const std::string& holder) override {
    MutexLock lock(cluster_.mutex_);
    TRY(cluster_.begin_change("release_permit"));
    TRY_ASSIGN(Broker * broker, cluster_.find(node.value()));
    const std::optional<StopPermit> held = cluster_.permit_of(node.value());
    if (held && held->holder != holder) return Error{Errc::policy_violation, held->holder + " holds the permit"};
    broker->permit.reset();
    TRY(cluster_.end_change("release_permit", held ? "release " + std::to_string(node.value()) : ""));
    return held.has_value();
  }

  Result<Drained> drain_leadership(BrokerId node) override {
    MutexLock lock(cluster_.mutex_);
    TRY(cluster_.begin_change("drain_leadership"));
    TRY(cluster_.find(node.value()));
    TRY(cluster_.end_change("drain_leadership", "drain " + std::to_string(node.value())));
    return Drained{};
  }

  Status decommission(BrokerId node, int32_t moves_max) override {
    MutexLock lock(cluster_.mutex_);
    TRY(cluster_.begin_change("decommission"));
    TRY_ASSIGN(Broker * broker, cluster_.find(node.value()));
    const bool is_new = !broker->decommission.has_value();
    if (is_new) broker->decommission = Decommission{.since_ms = cluster_.clock_.wall_ms()};
    broker->decommission->moves_max = moves_max == 0 ? 20 : moves_max;
    cluster_.planned(node.value(), broker->decommission->moves_max, /*begin=*/true);
    return cluster_.end_change("decommission", is_new ? "decommission " + std::to_string(node.value()) : "");
  }

  Result<bool> cancel_decommission(BrokerId node) override {
    MutexLock lock(cluster_.mutex_);
    TRY(cluster_.begin_change("cancel_decommission"));
    TRY_ASSIGN(Broker * broker, cluster_.find(node.value()));
    const bool was = broker->decommission.has_value();
    broker->decommission.reset();
    TRY(cluster_.end_change("cancel_decommission", was ? "cancel " + std::to_string(node.value()) : ""));
    return was;
  }

  Result<Moves> plan_decommission(BrokerId node) override {
    MutexLock lock(cluster_.mutex_);
    TRY(cluster_.begin("plan_decommission"));
    TRY(cluster_.find(node.value()));
    return cluster_.planned(node.value(), 1'000, /*begin=*/false);
  }

  Result<Moves> plan_rebalance() override {
    MutexLock lock(cluster_.mutex_);
    TRY(cluster_.begin("plan_rebalance"));
    return cluster_.planned(std::nullopt, 1'000, /*begin=*/false);
  }

  Result<Moves> rebalance(int32_t moves_max) override {
    MutexLock lock(cluster_.mutex_);
    TRY(cluster_.begin_change("rebalance"));
    Moves begun = cluster_.planned(std::nullopt, moves_max == 0 ? 20 : moves_max, /*begin=*/true);
    TRY(cluster_.end_change("rebalance", begun.total > 0 ? "move " + std::to_string(begun.total) : ""));
    return begun;
  }

  Status unregister(BrokerId node) override {
    MutexLock lock(cluster_.mutex_);
    TRY(cluster_.begin_change("unregister"));
    TRY(cluster_.find(node.value()));
    if (const int32_t replicas = cluster_.count(node.value()); replicas > 0) {
      return Error{Errc::policy_violation, name_of(node.value()) + " holds " + std::to_string(replicas) + " replicas"};
    }
    if (cluster_.voters_.contains(node.value())) {
      return Error{Errc::policy_violation, name_of(node.value()) + " is a member of the metadata quorum"};
    }
    cluster_.brokers_.erase(node.value());
    return cluster_.end_change("unregister", "unregister " + std::to_string(node.value()));
  }

 private:
  FakeClusterAdmin& cluster_;
  const ClusterAdminOptions options_;
};

class FakeClusterAdmin::FakeConnector final : public ClusterAdminConnector {
 public:
  explicit FakeConnector(FakeClusterAdmin& cluster) : cluster_(cluster) {}
  Result<std::unique_ptr<ClusterAdmin>> connect(ClusterAdminOptions options) override {
    if (options.brokers.empty()) return Error{Errc::invalid_argument, "no address"};
    return std::unique_ptr<ClusterAdmin>(std::make_unique<FakeClient>(cluster_, std::move(options)));
  }

 private:
  FakeClusterAdmin& cluster_;
};

std::unique_ptr<ClusterAdminConnector> FakeClusterAdmin::connector() { return std::make_unique<FakeConnector>(*this); }

void FakeClusterAdmin::start_broker(int32_t id, bool in_sync) {
  {
    MutexLock lock(mutex_);
    Broker& broker = brokers_[id];
    broker.epoch = next_epoch_++;
    broker.fenced = false;
  }
  if (in_sync) sync(id);
}

void FakeClusterAdmin::stop_broker(int32_t id) {
  MutexLock lock(mutex_);
  const auto found = brokers_.find(id);
  if (found == brokers_.end()) return;
  found->second.fenced = true;
  for (auto& [name, partition] : partitions_) {
    if (partition.in_sync.size() > 1) partition.in_sync.erase(id);
  }
}

void FakeClusterAdmin::sync(int32_t id) {
  MutexLock lock(mutex_);
  for (auto& [name, partition] : partitions_) {
    if (partition.has(id)) partition.in_sync.insert(id);
  }
}

void FakeClusterAdmin::put_topic(const std::string& name, int32_t partitions, int32_t replicas, int32_t min_insync) {
  MutexLock lock(mutex_);
  std::vector<int32_t> ids;
  for (const auto& [id, broker] : brokers_) {
    if (takes_replicas(id)) ids.push_back(id);
  }
  for (int32_t i = 0; i < partitions; ++i) {
    Partition& made = partitions_[{name, i}];
    if (!made.replicas.empty()) continue;
    made.min_insync = min_insync;
    for (int32_t r = 0; r < std::min(replicas, static_cast<int32_t>(ids.size())); ++r) {
      made.replicas.push_back(ids[static_cast<size_t>(i + r) % ids.size()]);
    }
    made.in_sync = {made.replicas.begin(), made.replicas.end()};
  }
}

void FakeClusterAdmin::remove_topic(const std::string& name) {
  MutexLock lock(mutex_);
  std::erase_if(partitions_, [&](const auto& entry) { return entry.first.first == name; });
}

void FakeClusterAdmin::move_on() {
  MutexLock lock(mutex_);
  for (auto& [name, partition] : partitions_) {
    if (!partition.leaves) continue;
    partition.in_sync = {partition.replicas.begin(), partition.replicas.end()};
    partition.leaves.reset();
  }
  for (auto& [id, broker] : brokers_) {
    if (broker.decommission) planned(id, broker.decommission->moves_max, /*begin=*/true);
  }
}

void FakeClusterAdmin::set_voters(std::set<int32_t> voters) {
  MutexLock lock(mutex_);
  voters_ = std::move(voters);
}

std::set<int32_t> FakeClusterAdmin::voters() const {
  MutexLock lock(mutex_);
  return voters_;
}

Status FakeClusterAdmin::add_voter(int32_t id) {
  MutexLock lock(mutex_);
  TRY(begin_change("add_voter"));
  TRY(find(id));
  if (!voters_.insert(id).second) return Error{Errc::duplicate_voter, name_of(id)};
  return end_change("add_voter", "add_voter " + std::to_string(id));
}

Status FakeClusterAdmin::remove_voter(int32_t id) {
  MutexLock lock(mutex_);
  TRY(begin_change("remove_voter"));
  if (!voters_.contains(id)) return Error{Errc::voter_not_found, name_of(id)};
  if (voters_.size() == 1) return Error{Errc::invalid_argument, name_of(id) + " is the only voter"};
  voters_.erase(id);
  return end_change("remove_voter", "remove_voter " + std::to_string(id));
}

void FakeClusterAdmin::set_reachable(bool reachable) {
  MutexLock lock(mutex_);
  reachable_ = reachable;
}

void FakeClusterAdmin::set_no_controller(const std::string& why) {
  MutexLock lock(mutex_);
  no_controller_ = why;
  no_controller_since_ = why.empty() ? kNoTimestamp : clock_.wall_ms();
}

void FakeClusterAdmin::fail_next(const std::string& call, Error error, bool after_effect) {
  MutexLock lock(mutex_);
  faults_.insert_or_assign(call, Fault{std::move(error), after_effect});
}

void FakeClusterAdmin::on_change(std::function<std::optional<Error>(bool is_done)> hook) {
  MutexLock lock(mutex_);
  hook_ = std::move(hook);
}

ClusterState FakeClusterAdmin::state() const {
  MutexLock lock(mutex_);
  return describe();
}

std::optional<std::string> FakeClusterAdmin::holder_of(int32_t id) const {
  MutexLock lock(mutex_);
  const std::optional<StopPermit> permit = permit_of(id);
  return permit ? std::optional(permit->holder) : std::nullopt;
}

int32_t FakeClusterAdmin::replicas_on(int32_t id) const {
  MutexLock lock(mutex_);
  return count(id);
}

bool FakeClusterAdmin::is_whole() const {
  MutexLock lock(mutex_);
  for (const auto& [name, partition] : partitions_) {
    int32_t live = 0;
    for (const int32_t id : partition.in_sync) {
      const auto found = brokers_.find(id);
      live += found != brokers_.end() && !found->second.fenced ? 1 : 0;
    }
    if (partition.replicas.size() > 1 && live < partition.needed()) return false;
  }
  return true;
}

std::vector<std::string> FakeClusterAdmin::changes() const {
  MutexLock lock(mutex_);
  return changes_;
}

Status FakeClusterAdmin::begin(const std::string& call) {
  if (!reachable_) return Error{Errc::connection_refused, "127.0.0.1:20000"};
  const auto fault = faults_.find(call);
  if (fault == faults_.end() || fault->second.after_effect) return ok();
  Error error = std::move(fault->second.error);
  faults_.erase(fault);
  return error;
}

Status FakeClusterAdmin::begin_change(const std::string& call) {
  TRY(begin(call));
  if (!no_controller_.empty()) return Error{Errc::timed_out, "127.0.0.1:20000: " + no_controller_};
  if (hook_) {
    if (std::optional<Error> error = hook_(/*is_done=*/false)) return std::move(*error);
  }
  return ok();
}

// `words` is empty when all was so already.
Status FakeClusterAdmin::end_change(const std::string& call, const std::string& words) {
  if (!words.empty()) changes_.push_back(words);
  if (hook_) {
    if (std::optional<Error> error = hook_(/*is_done=*/true)) return std::move(*error);
  }
  const auto fault = faults_.find(call);
  if (fault == faults_.end() || !fault->second.after_effect) return ok();
  Error error = std::move(fault->second.error);
  faults_.erase(fault);
  return error;
}

Result<FakeClusterAdmin::Broker*> FakeClusterAdmin::find(int32_t id) {
  const auto found = brokers_.find(id);
  if (found == brokers_.end()) return Error{Errc::broker_not_registered, name_of(id)};
  return &found->second;
}

}  // namespace millrace::admin
