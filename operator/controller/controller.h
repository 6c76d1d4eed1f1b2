#pragma once

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "broker/base/clock.h"
#include "operator/admin/client.h"
#include "operator/controller/controller_metrics.h"
#include "operator/controller/queue.h"
#include "operator/controller/reconciler.h"
#include "operator/kube/client.h"

namespace millrace::controller {

struct ControllerOptions {
  kube::Client* kube = nullptr;
  admin::Connector* connector = nullptr;
  const Clock* clock = nullptr;
  desired::Defaults defaults;
  std::string name_space;  // "": all of them
};

// Watches KafkaClusters, KafkaTopics and what clusters own, and keeps all of it as specified, on one thread of its own.
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
  void on_event(const kube::WatchEvent& event);
  void queue_topics_of(const std::string& name_space, const std::string& cluster);
  void add(const kube::ObjectKey& key);

  const ControllerOptions options_;
  ControllerMetrics metrics_;
  Queue queue_;
  Reconciler reconciler_;  // worker thread
  std::vector<std::unique_ptr<kube::Watch>> watches_;
  std::thread worker_;
};

}  // namespace millrace::controller
