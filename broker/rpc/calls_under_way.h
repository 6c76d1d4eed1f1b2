#pragma once

#include "broker/base/mutex.h"

namespace millrace::rpc {

// Counts what a server has given to its loops: calls, and places in which the next call may arrive. Thread-safe.
class CallsUnderWay {
 public:
  void begin() EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    ++count_;
  }
  void end() EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (--count_ == 0) none_.notify_all();
  }
  void wait_for_none() EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    while (count_ > 0) none_.wait(mutex_);
  }

 private:
  Mutex mutex_;  // a leaf
  Condition none_;
  int count_ GUARDED_BY(mutex_) = 0;
};

}  // namespace millrace::rpc
