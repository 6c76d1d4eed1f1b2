#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/base/mutex.h"
#include "operator/admin/client.h"
#include "operator/admin/fake_cluster_admin.h"

namespace millrace::admin {

// A Kafka cluster in memory, for the tests of what talks to one: it keeps topics and refuses what a broker refuses.
// Thread-safe.
class FakeCluster {
 public:
  explicit FakeCluster(int32_t brokers = 1) : brokers_(brokers) {}
  // Its topics are on these brokers, too, and its voters theirs. They outlive it.
  void share(FakeClusterAdmin& operated);

  // Clients of a cluster that is down get connection_refused.
  void set_reachable(bool reachable);
  // The next call of this name ("create_topic", …) fails once with this error, before or after it took effect.
  void fail_next(const std::string& call, Error error, bool after_effect = false);
  // Asked before and after each change; an error is what the caller gets, and one before it keeps the change from
  // happening.
  void on_change(std::function<std::optional<Error>(bool is_done)> hook);
  // As another administrator would.
  void put_topic(const NewTopic& topic);
  void remove_topic(const std::string& name);

  std::optional<TopicDescription> topic(const std::string& name) const;
  TopicConfig config(const std::string& name) const;
  // Calls that change something, in order, such as "create_topic payments".
  std::vector<std::string> changes() const;

  std::unique_ptr<Connector> connector();

 private:
  class FakeClient;
  class FakeConnector;
  struct Topic {
    TopicDescription description;
    TopicConfig config;
  };
  struct Fault {
    Error error;
    bool after_effect = false;
  };

  Status begin(const std::string& call, bool is_shared = false) REQUIRES(mutex_);
  Status end(const std::string& call) REQUIRES(mutex_);
  Status create(const NewTopic& topic) REQUIRES(mutex_);
  void set_partitions(TopicDescription& topic, int32_t count, int32_t replicas) REQUIRES(mutex_);

  const int32_t brokers_;
  FakeClusterAdmin* operated_ = nullptr;  // set before the first call; may be null
  mutable Mutex mutex_;                   // a leaf
  std::function<std::optional<Error>(bool is_done)> hook_ GUARDED_BY(mutex_);
  bool reachable_ GUARDED_BY(mutex_) = true;
  std::map<std::string, Topic> topics_ GUARDED_BY(mutex_);
  std::map<std::string, Fault> faults_ GUARDED_BY(mutex_);
  std::vector<std::string> changes_ GUARDED_BY(mutex_);
  uint64_t next_id_ GUARDED_BY(mutex_) = 1;
};

}  // namespace millrace::admin
