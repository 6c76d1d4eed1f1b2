#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "broker/io/event_loop.h"

namespace millrace::server {

// Bytes of requests that all connections have in progress, bounded by queued.max.request.bytes. A connection charges a
// frame before it allocates it and releases it when the request is answered; one that cannot pauses, and is resumed by
// its reactor in the order in which it paused. Thread-safe but for add_waiter().
class RequestMemory {
 public:
  explicit RequestMemory(int64_t bytes_max) : bytes_max_(bytes_max) {}

  // True: charged. A request is always let in when nothing else is in progress, however large.
  bool try_charge(int64_t bytes);
  void release(int64_t bytes);

  // One per reactor, before the first charge. `resume` runs on `loop` after a release, when wants_resume() was called
  // since the last one.
  class Waiter {
   public:
    // Loop thread. When releases() has changed since the charge that failed, the release came too early to be told.
    void wants_resume() { wanting_.store(true); }

   private:
    friend class RequestMemory;
    io::EventLoop* loop_ = nullptr;
    std::function<void()> resume_;
    std::atomic<bool> wanting_{false};
  };
  Waiter& add_waiter(io::EventLoop& loop, std::function<void()> resume);

  uint64_t releases() const { return releases_.load(); }
  int64_t used() const { return used_.load(std::memory_order_relaxed); }

 private:
  const int64_t bytes_max_;
  std::atomic<int64_t> used_{0};
  std::atomic<uint64_t> releases_{0};
  std::vector<std::unique_ptr<Waiter>> waiters_;
};

}  // namespace millrace::server
