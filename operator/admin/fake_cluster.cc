#include "operator/admin/fake_cluster.h"

#include <utility>

namespace millrace::admin {

class FakeCluster::FakeClient final : public Client {
 public:
  explicit FakeClient(FakeCluster& cluster) : cluster_(cluster) {}

  Result<std::vector<TopicDescription>> describe_topics() override {
    MutexLock lock(cluster_.mutex_);
    TRY(cluster_.begin("describe_topics"));
    std::vector<TopicDescription> result;
    for (const auto& [name, topic] : cluster_.topics_) result.push_back(topic.description);
    return result;
  }

  Result<std::optional<TopicDescription>> describe_topic(const std::string& name) override {
    MutexLock lock(cluster_.mutex_);
    TRY(cluster_.begin("describe_topic"));
    const auto found = cluster_.topics_.find(name);
    if (found == cluster_.topics_.end()) return std::optional<TopicDescription>();
    return std::optional(found->second.description);
  }

  Result<TopicConfig> describe_topic_config(const std::string& name) override {
    MutexLock lock(cluster_.mutex_);
    TRY(cluster_.begin("describe_topic_config"));
    const auto found = cluster_.topics_.find(name);
    if (found == cluster_.topics_.end()) return Error{Errc::unknown_topic_or_partition, "topic " + name};
    return found->second.config;
  }

  Status create_topic(const NewTopic& topic) override {
    MutexLock lock(cluster_.mutex_);
    TRY(cluster_.begin("create_topic"));
    TRY(cluster_.create(topic));
    cluster_.changes_.push_back("create_topic " + topic.name);
    return cluster_.end("create_topic");
  }

  Status grow_topic(const std::string& name, int32_t count) override {
    MutexLock lock(cluster_.mutex_);
    TRY(cluster_.begin("grow_topic"));
    const auto found = cluster_.topics_.find(name);
    if (found == cluster_.topics_.end()) return Error{Errc::unknown_topic_or_partition, "topic " + name};
    TopicDescription& topic = found->second.description;
    if (count <= topic.partition_count()) return Error{Errc::invalid_partitions, "not more than there are"};
    cluster_.set_partitions(topic, count, topic.replica_count().value_or(1));
    cluster_.changes_.push_back("grow_topic " + name);
    return cluster_.end("grow_topic");
  }

  Status alter_topic_config(const std::string& name, const std::vector<ConfigChange>& changes) override {
    MutexLock lock(cluster_.mutex_);
    TRY(cluster_.begin("alter_topic_config"));
    const auto found = cluster_.topics_.find(name);
    if (found == cluster_.topics_.end()) return Error{Errc::unknown_topic_or_partition, "topic " + name};
    for (const ConfigChange& change : changes) {
      if (change.value) {
        found->second.config[change.key] = *change.value;
      } else {
        found->second.config.erase(change.key);
      }
    }
    cluster_.changes_.push_back("alter_topic_config " + name);
    return cluster_.end("alter_topic_config");
  }

  Status delete_topic(const std::string& name) override {
    MutexLock lock(cluster_.mutex_);
    TRY(cluster_.begin("delete_topic"));
    if (cluster_.topics_.erase(name) == 0) return Error{Errc::unknown_topic_or_partition, "topic " + name};
    if (cluster_.operated_ != nullptr) cluster_.operated_->remove_topic(name);
    cluster_.changes_.push_back("delete_topic " + name);
    return cluster_.end("delete_topic");
  }

  // The voters are those of the brokers that it shares.
  Result<QuorumDescription> describe_quorum() override {
    MutexLock lock(cluster_.mutex_);
    TRY(cluster_.begin("describe_quorum"));
    if (cluster_.operated_ == nullptr) return Error{Errc::unsupported_version, "DescribeQuorum"};
    QuorumDescription result{.high_watermark = 10};
    const std::set<int32_t> voters = cluster_.operated_->voters();
    for (const BrokerState& broker : cluster_.operated_->state().brokers) {
      const QuorumMember member{broker.id, *Uuid::parse(broker.directory_id), broker.fenced ? 0 : 10};
      (voters.contains(broker.id.value()) ? result.voters : result.observers).push_back(member);
    }
    return result;
  }
  Status add_voter(const NewVoter& voter) override {
    MutexLock lock(cluster_.mutex_);
    TRY(cluster_.begin("add_voter", /*is_shared=*/true));
    return cluster_.operated_->add_voter(voter.id.value());
  }
  Status remove_voter(BrokerId id, const Uuid&) override {
    MutexLock lock(cluster_.mutex_);
    TRY(cluster_.begin("remove_voter", /*is_shared=*/true));
    return cluster_.operated_->remove_voter(id.value());
  }

 private:
  FakeCluster& cluster_;
};

class FakeCluster::FakeConnector final : public Connector {
 public:
  explicit FakeConnector(FakeCluster& cluster) : cluster_(cluster) {}
  Result<std::unique_ptr<Client>> connect(const std::string&) override {
    return std::unique_ptr<Client>(std::make_unique<FakeClient>(cluster_));
  }

 private:
  FakeCluster& cluster_;
};

std::unique_ptr<Connector> FakeCluster::connector() { return std::make_unique<FakeConnector>(*this); }

void FakeCluster::share(FakeClusterAdmin& operated) { operated_ = &operated; }

void FakeCluster::set_reachable(bool reachable) {
  MutexLock lock(mutex_);
  reachable_ = reachable;
}

void FakeCluster::fail_next(const std::string& call, Error error, bool after_effect) {
  MutexLock lock(mutex_);
  faults_.insert_or_assign(call, Fault{std::move(error), after_effect});
}

void FakeCluster::on_change(std::function<std::optional<Error>(bool is_done)> hook) {
  MutexLock lock(mutex_);
  hook_ = std::move(hook);
}

void FakeCluster::put_topic(const NewTopic& topic) {
  MutexLock lock(mutex_);
  ENSURE(create(topic).has_value());
}

void FakeCluster::remove_topic(const std::string& name) {
  MutexLock lock(mutex_);
  topics_.erase(name);
}

std::optional<TopicDescription> FakeCluster::topic(const std::string& name) const {
  MutexLock lock(mutex_);
  const auto found = topics_.find(name);
  if (found == topics_.end()) return std::nullopt;
  return found->second.description;
}

TopicConfig FakeCluster::config(const std::string& name) const {
  MutexLock lock(mutex_);
  const auto found = topics_.find(name);
  return found == topics_.end() ? TopicConfig() : found->second.config;
}

std::vector<std::string> FakeCluster::changes() const {
  MutexLock lock(mutex_);
  return changes_;
}

// What is shared with other brokers is counted as a change there.
Status FakeCluster::begin(const std::string& call, bool is_shared) {
  if (!reachable_) return Error{Errc::connection_refused, "127.0.0.1:9092"};
  if (hook_ && !is_shared && !call.starts_with("describe")) {
    if (std::optional<Error> error = hook_(/*is_done=*/false)) return std::move(*error);
  }
  const auto fault = faults_.find(call);
  if (fault == faults_.end() || fault->second.after_effect) return ok();
  Error error = std::move(fault->second.error);
  faults_.erase(fault);
  return error;
}

Status FakeCluster::end(const std::string& call) {
  if (hook_) {
    if (std::optional<Error> error = hook_(/*is_done=*/true)) return std::move(*error);
  }
  const auto fault = faults_.find(call);
  if (fault == faults_.end() || !fault->second.after_effect) return ok();
  Error error = std::move(fault->second.error);
  faults_.erase(fault);
  return error;
}

Status FakeCluster::create(const NewTopic& topic) {
  if (topics_.contains(topic.name)) return Error{Errc::topic_already_exists, "topic " + topic.name};
  if (topic.partitions < 1) return Error{Errc::invalid_partitions, std::to_string(topic.partitions)};
  if (topic.replicas < 1 || topic.replicas > brokers_) {
    return Error{Errc::invalid_replication_factor, std::to_string(topic.replicas) + " of " + std::to_string(brokers_)};
  }
  Topic made{.description = {.name = topic.name, .id = Uuid::from_random(0, next_id_++)}, .config = topic.config};
  set_partitions(made.description, topic.partitions, topic.replicas);
  topics_.emplace(topic.name, std::move(made));
  return ok();
}

void FakeCluster::set_partitions(TopicDescription& topic, int32_t count, int32_t replicas) {
  for (int32_t i = topic.partition_count(); i < count; ++i) {
    PartitionDescription partition{.index = PartitionIndex(i), .leader = BrokerId(i % brokers_)};
    for (int32_t r = 0; r < replicas; ++r) partition.replicas.push_back(BrokerId((i + r) % brokers_));
    partition.in_sync = partition.replicas;
    topic.partitions.push_back(std::move(partition));
  }
  if (operated_ != nullptr) operated_->put_topic(topic.name, count, replicas, replicas < 3 ? 1 : 2);
}

}  // namespace millrace::admin
