#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>

#include "broker/base/mutex.h"

namespace millrace::server {

// Memory that all connections have in flight: frames of requests in progress, what large ones became when decoded, and
// replies that clients have not taken. As long as it is below queued.max.request.bytes another request is let in,
// whatever its size: one of any size gets its turn, and the bound is exceeded by one request and the replies of what is
// in progress at most. Who comes when there is none waits in line; the line is served in its order as memory is given
// back. Thread-safe.
class RequestMemory {
 public:
  explicit RequestMemory(int64_t bytes_max) : bytes_max_(bytes_max) {}

  // True: charged. A connection charges a frame before it allocates it. Nobody overtakes those who wait.
  bool try_charge(int64_t bytes) { return waiting_.load() == 0 && take(bytes); }
  // After a try_charge() that failed. 0: charged after all. Otherwise a place in line: `granted` is called once, on a
  // thread that gives memory back, when the bytes are charged. It must not call back into this, but may post.
  uint64_t wait(int64_t bytes, std::function<void()> granted);
  // True: out of the line. False: it was granted; the bytes are charged, whether `granted` has run or not.
  bool stop_waiting(uint64_t place);

  // What is there already: counts, and may exceed the bound. `bytes` may be negative.
  void adjust(int64_t bytes) { bytes < 0 ? release(-bytes) : static_cast<void>(used_.fetch_add(bytes)); }
  void release(int64_t bytes);

  int64_t used() const { return used_.load(std::memory_order_relaxed); }
  bool is_waited_for() const { return waiting_.load(std::memory_order_relaxed) != 0; }

 private:
  struct Place {
    int64_t bytes;
    std::function<void()> granted;
  };
  bool take(int64_t bytes);
  void serve_line();

  const int64_t bytes_max_;
  std::atomic<int64_t> used_{0};
  // Raised before memory is tried for the last time, and looked at after memory was given back: one of both sees the
  // other, so that no one is left in line while there is memory.
  std::atomic<int64_t> waiting_{0};

  Mutex mutex_;  // a leaf
  std::map<uint64_t, Place> line_ GUARDED_BY(mutex_);
  uint64_t last_place_ GUARDED_BY(mutex_) = 0;
};

}  // namespace millrace::server
