#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "broker/base/metrics.h"
#include "broker/base/mutex.h"
#include "broker/io/event_loop.h"

namespace millrace::replication {
class Partition;
}

namespace millrace::server {

// Names what an operation waits for: an object that lives at least as long as the operation (which keeps it alive), or
// any 64-bit number that cannot be mistaken for one.
using WatchKey = uint64_t;
inline WatchKey watch_key(const void* object) { return reinterpret_cast<uintptr_t>(object); }
inline constexpr WatchKey kPartitionsOpened = 1;  // some have come to this broker

enum class WakeReason : uint8_t { ready, deadline, shutting_down };

// A request that waits. `ready` is asked when it is parked and on every wake of its keys, on the thread that wakes, one
// call at a time, with no lock of the purgatory held; it must be cheap and must not park, wake or answer. `finish` runs
// exactly once, on `loop`, after ready said true or the deadline passed, and answers. Both are destroyed after finish,
// so what they hold (partitions, the reply) lives until then.
struct WaitingOperation {
  io::EventLoop* loop = nullptr;  // RequestContext::loop()
  std::function<bool()> ready;
  std::function<void(WakeReason)> finish;
};

// Where requests wait: produces with acks=all for the high watermark, fetches for bytes. Woken by what they wait for;
// nothing polls. Thread-safe. Bounded by kParkedMax.
//
//   services.purgatory->park({&context.loop(), ready, finish}, keys, services.clock->now() + wait);
//
// An event that happens before park() returns is not missed: the keys are watched before `ready` is asked.
class Purgatory {
 public:
  static constexpr int64_t kParkedMax = 1'000'000;

  explicit Purgatory(Clock& clock);
  ~Purgatory();  // ENSUREs that nothing is parked: call shut_down() first
  Purgatory(const Purgatory&) = delete;
  Purgatory& operator=(const Purgatory&) = delete;

  // Any thread. finish may run before park returns when the caller is on `loop`; with no keys it waits for the deadline
  // only. A deadline in the past, or kParkedMax waiting: finish(deadline) at once.
  void park(WaitingOperation operation, std::span<const WatchKey> keys, TimePoint deadline);
  // Any thread, without locks that `ready` takes. One atomic load when nobody waits.
  void wake(WatchKey key) {
    std::atomic_thread_fence(std::memory_order_seq_cst);  // after the caller's change; pairs with park()
    if (parked_.load(std::memory_order_relaxed) != 0) wake_watchers(key);
  }
  // Finishes everything that waits with shutting_down, the longest waiting first; what is parked later is finished at
  // once.
  void shut_down();

  int64_t parked() const { return parked_.load(std::memory_order_relaxed); }
  const Counter& expired() const { return expired_; }      // finished by their deadline
  const Counter& completed() const { return completed_; }  // finished because ready
  // Entries of watch lists that were looked at: one for each operation that a wake asks and one for each that ends.
  const Counter& visited() const { return visited_; }

 private:
  struct Operation;
  using OperationPointer = std::shared_ptr<Operation>;
  // The place of an operation among those that wait for one key, so that it leaves in constant time however many there
  // are. Lies in its operation, which it keeps alive while it is linked. Of the key's shard.
  struct Watch {
    WatchKey key = 0;
    OperationPointer operation;  // null: not linked
    Watch* previous = nullptr;
    Watch* next = nullptr;
  };
  struct Watchers {  // the longest waiting first
    Watch* first = nullptr;
    Watch* last = nullptr;
    size_t count = 0;
  };
  static constexpr size_t kShards = 64;
  struct Shard {
    Mutex mutex;  // innermost: nothing is called with it held
    std::unordered_map<WatchKey, Watchers> watchers GUARDED_BY(mutex);
  };

  void watch(Watch& watch, const OperationPointer& operation);
  void unwatch(Watch& watch);
  void wake_watchers(WatchKey key);
  void check(const OperationPointer& operation);
  void ask(const OperationPointer& operation);
  void finish(const OperationPointer& operation, WakeReason reason);
  void run_finish(const OperationPointer& operation, WakeReason reason);
  Shard& shard_of(WatchKey key) { return shards_[(key * 0x9E3779B97F4A7C15u) >> 58]; }

  Clock& clock_;
  std::atomic<int64_t> parked_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> last_number_{0};
  Counter expired_;
  Counter completed_;
  Counter visited_;
  std::array<Shard, kShards> shards_;
};

}  // namespace millrace::server
