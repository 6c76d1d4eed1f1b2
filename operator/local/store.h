#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/mutex.h"
#include "broker/io/file_system.h"
#include "broker/io/random.h"
#include "operator/kube/client.h"
#include "operator/local/object_files.h"

namespace millrace::local {

// How long a change waits for another process to finish its own.
inline constexpr std::chrono::milliseconds kLockPause{5};
inline constexpr int kLockAttemptsMax = 1000;

// Changed objects that a watch may not have been told of yet; with one more it is lost, as an API server forgets old
// revisions. What is there when a watch begins does not count.
inline constexpr size_t kWatchBacklogMax = 10'000;

using kube::Labels;
using kube::Object;
using kube::ObjectKey;

// What an API server does to a new or changed object before it keeps it: fills in defaults, refuses what breaks its
// schema (invalid_argument). `before` is null for a new one. Pure.
using Admit = std::function<Result<Object>(const Object& after, const Object* before)>;

struct StoreOptions {
  std::string directory;  // made when absent; layout: object_files.h
  io::FileSystem* fs = nullptr;
  Clock* clock = nullptr;
  io::Random* random = nullptr;
  Admit admit;  // empty: everything is taken as it is
  size_t watch_backlog_max = kWatchBacklogMax;
};

// kube::Client without Kubernetes: the objects are files in a directory. Several processes may use one directory at a
// time; each change is made under the directory's lock and raises its revision, by which the others notice it. Objects
// without a namespace are put into "default". Deleting an object deletes those whose owners are all gone.
//
// Thread-safe. Watches are served by pump(), which the owner calls regularly (StorePump does, on a thread); handlers
// run inside it and may call every method, but not destroy a watch.
class Store final : public kube::Client {
 public:
  // Errors: as FileSystem; timed_out when another process holds the lock for kLockAttemptsMax pauses.
  static Result<std::unique_ptr<Store>> open(StoreOptions options);
  ~Store() override;

  Result<Object> get(const ObjectKey& key) override;
  Result<std::vector<Object>> list(std::string_view kind, std::string_view name_space, const Labels& selector) override;
  Result<Object> create(const Object& object) override;
  Result<Object> update(const Object& object) override;
  Result<Object> update_status(const Object& object) override;
  // List members are replaced as a whole, except finalizers and ownerReferences, which are merged.
  Result<Object> apply(const Object& object, std::string_view manager) override;
  Status remove(const ObjectKey& key, std::string_view uid) override;
  Result<std::unique_ptr<kube::Watch>> watch(std::string_view kind, std::string_view name_space,
                                             std::function<void(const kube::WatchEvent&)> handler) override;

  // Reads what other processes changed and hands all undelivered events to the watches. One thread at a time.
  Status pump();
  // Waits until there may be something to pump, at most `timeout`; interrupt() ends the wait.
  void wait_for_change(Duration timeout);
  void interrupt();

 private:
  class WatchHandle;
  struct Subscription;

  explicit Store(StoreOptions options);
  // Takes the directory's lock and makes objects_ what is on disk; the change is made while the result lives.
  Result<std::unique_ptr<io::FileLock>> begin_change() REQUIRES(mutex_);
  Result<std::unique_ptr<io::FileLock>> lock_directory() REQUIRES(mutex_);
  Status refresh() REQUIRES(mutex_);  // reads again when another process changed something
  Status reread(int64_t revision) REQUIRES(mutex_);
  Status raise_revision() REQUIRES(mutex_);
  // Keeps it under a new revision.
  Result<Object> put(StoredObject stored, kube::Change told) REQUIRES(mutex_);
  Result<Object> create_locked(const Object& given, StoredObject::Applied applied) REQUIRES(mutex_);
  Result<Object> replace_locked(const StoredObject& before, const Object& wanted, StoredObject::Applied applied)
      REQUIRES(mutex_);
  Status end(const ObjectKey& key) REQUIRES(mutex_);  // removes, or marks as deleting
  Status drop(const ObjectKey& key) REQUIRES(mutex_);
  Status collect_garbage() REQUIRES(mutex_);
  // The stored object that `object` was read from: conflict when it is no longer the newest.
  Result<const StoredObject*> find_newest(const Object& object) REQUIRES(mutex_);
  void tell(kube::Change change, const Object& object) REQUIRES(mutex_);
  void forget(uint64_t subscription);

  const StoreOptions options_;
  ObjectFiles files_ GUARDED_BY(mutex_);
  Mutex mutex_;  // after a Subscription's; before the directory's lock
  Condition changed_;
  Condition pause_;  // nobody notifies it
  bool interrupted_ GUARDED_BY(mutex_) = false;
  bool has_events_ GUARDED_BY(mutex_) = false;
  int64_t revision_ GUARDED_BY(mutex_) = -1;  // of objects_; -1: unknown
  std::map<ObjectKey, StoredObject> objects_ GUARDED_BY(mutex_);
  std::map<uint64_t, std::shared_ptr<Subscription>> subscriptions_ GUARDED_BY(mutex_);
  uint64_t last_subscription_ GUARDED_BY(mutex_) = 0;
};

}  // namespace millrace::local
