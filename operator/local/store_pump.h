#pragma once

#include <atomic>
#include <chrono>
#include <thread>

#include "operator/local/store.h"

namespace millrace::local {

// The thread that serves a store's watches: at once for changes of this process, every kPollInterval for those of
// others. The destructor stops it.
class StorePump {
 public:
  static constexpr std::chrono::milliseconds kPollInterval{50};

  explicit StorePump(Store& store);
  ~StorePump();
  StorePump(const StorePump&) = delete;
  StorePump& operator=(const StorePump&) = delete;

 private:
  void run();

  Store& store_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace millrace::local
