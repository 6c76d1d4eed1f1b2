#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/mutex.h"
#include "operator/admin/client.h"
#include "operator/admin/cluster_admin.h"
#include "operator/controller/controller_metrics.h"
#include "operator/controller/queue.h"
#include "operator/controller/reconciler.h"
#include "operator/kube/client.h"

namespace millrace::controller {

struct ControllerOptions {
  kube::Client* kube = nullptr;
  admin::Connector* kafka = nullptr;
  admin::ClusterAdminConnector* brokers = nullptr;
  const Clock* clock = nullptr;
  desired::Defaults defaults;
  std::string name_space;  // "": all of them
};

// Watches KafkaClusters, KafkaTopics and what clusters own, and keeps all of it as specified, on one thread of its own.
// A watch that is lost is made again, and every cluster and topic looked at: what went meanwhile is not told of.
// The same for both backends.
class Controller {
 public:
  // Errors: those of kube::Client::watch.
  static Result<std::unique_ptr<Controller>> start(ControllerOptions options);
  ~Controller();  // stops
  // Ends after the pass that is running. Twice is once.
  void stop();
  const ControllerMetrics& metrics() const { return metrics_; }

 protected:
  explicit Controller(ControllerOptions options);
  Status watch_all();
  void run();
  // One pass over `key`, and when to come again.
  void work_on(const kube::ObjectKey& key);
  Queue& queue() { return queue_; }

 private:
  Status watch(size_t kind);
  void on_event(size_t kind, const kube::WatchEvent& event);
  void on_topic(const kube::WatchEvent& event);
  void on_cluster(const kube::WatchEvent& event);
  Status watch_again(const kube::ObjectKey& key);
  void add(const kube::ObjectKey& key, Duration delay = Duration::zero());
  void add_all(const std::vector<kube::ObjectKey>& keys);

  const ControllerOptions options_;
  ControllerMetrics metrics_;
  Queue queue_;
  Reconciler reconciler_;                              // worker thread
  std::vector<std::unique_ptr<kube::Watch>> watches_;  // worker thread, once it runs; by number of kind
  Mutex mutex_;                                        // before the queue's
  // What topics have to do with of each cluster, as last told of.
  std::map<kube::ObjectKey, std::string> seen_clusters_ GUARDED_BY(mutex_);
  std::thread worker_;
};

}  // namespace millrace::controller
