#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>

#include "broker/base/clock.h"
#include "broker/base/mutex.h"
#include "operator/kube/object.h"

namespace millrace::controller {

// Which objects to look at, and when. A key is in it once: asked for twice, the earlier time holds. A key that is being
// worked on and asked for meanwhile comes again afterwards, so that no change is missed. Thread-safe.
class Queue {
 public:
  static constexpr size_t kKeysMax = 100'000;
  static constexpr Duration kRetryMin = std::chrono::milliseconds(100);
  static constexpr Duration kRetryMax = std::chrono::seconds(30);

  explicit Queue(const Clock& clock) : clock_(clock) {}

  // False when kKeysMax other keys are waiting: the next resync will bring it back.
  bool add(const kube::ObjectKey& key, Duration delay = Duration::zero());
  // After a failure: later each time, doubling from kRetryMin to kRetryMax.
  bool add_after_failure(const kube::ObjectKey& key);
  // The key went well: the next failure begins at kRetryMin.
  void forget_failures(const kube::ObjectKey& key);

  // Waits for a key that is due; the caller says done() afterwards. Nothing once the queue is closed.
  std::optional<kube::ObjectKey> take();
  // The same without waiting; for tests and for draining.
  std::optional<kube::ObjectKey> take_due();
  void done(const kube::ObjectKey& key);

  void close();
  size_t size() const;
  // When the next key is due; nothing when none waits.
  std::optional<TimePoint> next_due() const;

 private:
  bool add_locked(const kube::ObjectKey& key, TimePoint due) REQUIRES(mutex_);
  std::optional<kube::ObjectKey> take_due_locked() REQUIRES(mutex_);

  const Clock& clock_;
  mutable Mutex mutex_;  // a leaf
  Condition changed_;
  bool closed_ GUARDED_BY(mutex_) = false;
  std::map<kube::ObjectKey, TimePoint> due_ GUARDED_BY(mutex_);
  std::set<std::pair<TimePoint, kube::ObjectKey>> order_ GUARDED_BY(mutex_);
  std::map<kube::ObjectKey, std::optional<TimePoint>> working_ GUARDED_BY(mutex_);  // with when to come again
  std::map<kube::ObjectKey, int> failures_ GUARDED_BY(mutex_);
};

}  // namespace millrace::controller
