#pragma once

#include <atomic>
#include <chrono>
#include <thread>

#include "broker/base/mutex.h"
#include "operator/local/pods.h"
#include "operator/local/stateful_sets.h"

namespace millrace::local {

// The thread of a local cluster: cares for StatefulSets and Pods every kInterval. The destructor stops all processes
// (SIGTERM, then SIGKILL after each pod's grace) and waits for their end.
class Node {
 public:
  static constexpr std::chrono::milliseconds kInterval{50};

  explicit Node(PodsOptions options);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

 private:
  void run();
  void pause();

  StatefulSets sets_;
  Pods pods_;
  Mutex mutex_;  // a leaf
  Condition stopped_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace millrace::local
