#include "operator/local/store.h"

#include <nlohmann/json.hpp>

#include "operator/local/object_rules.h"
#include "operator/local/store_subscription.h"

namespace millrace::local {

namespace {

// Requests without a namespace mean the default one, as with kubectl.
ObjectKey complete(const ObjectKey& key) {
  ObjectKey result = key;
  if (result.name_space.empty()) result.name_space = kDefaultNamespace;
  return result;
}

bool carries(const Object& object, const Labels& selector) {
  for (const auto& [name, value] : selector) {
    if (!object.has({"metadata", "labels", name}) || object.label(name) != value) return false;
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<Store>> Store::open(StoreOptions options) {
  ENSURE(options.fs != nullptr && options.clock != nullptr && options.random != nullptr);
  std::unique_ptr<Store> store(new Store(std::move(options)));
  const MutexLock lock(store->mutex_);
  TRY(store->files_.create_directories());
  TRY_ASSIGN(const auto changing, store->begin_change());
  TRY(store->collect_garbage());  // what a crash left undone
  return store;
}

Store::Store(StoreOptions options) : options_(std::move(options)), files_(*options_.fs, options_.directory) {}
Store::~Store() = default;

Result<std::unique_ptr<io::FileLock>> Store::lock_directory() {
  for (int attempt = 0; attempt < kLockAttemptsMax; ++attempt) {
    Result<std::unique_ptr<io::FileLock>> lock = files_.lock();
    if (lock || lock.error().code != Errc::in_use) return lock;
    pause_.wait_for(mutex_, kLockPause);
  }
  return Error{Errc::timed_out, options_.directory + " is locked by another process"};
}

Result<std::unique_ptr<io::FileLock>> Store::begin_change() {
  TRY_ASSIGN(auto lock, lock_directory());
  TRY_ASSIGN(const int64_t revision, files_.revision());
  if (revision != revision_) TRY(reread(revision));
  return lock;
}

Status Store::refresh() {
  TRY_ASSIGN(const int64_t revision, files_.revision());
  if (revision == revision_) return ok();
  TRY_ASSIGN(const auto lock, begin_change());
  return ok();
}

Status Store::reread(int64_t revision) {
  TRY_ASSIGN(auto found, files_.read_all());
  for (const auto& [key, stored] : objects_) {
    const auto now = found.find(key);
    if (now == found.end() || now->second.object.uid() != stored.object.uid()) {
      tell(kube::Change::deleted, stored.object);
    }
  }
  for (const auto& [key, stored] : found) {
    const auto old = objects_.find(key);
    if (old == objects_.end() || old->second.object.uid() != stored.object.uid()) {
      tell(kube::Change::added, stored.object);
    } else if (old->second.object.resource_version() != stored.object.resource_version()) {
      tell(kube::Change::modified, stored.object);
    }
  }
  objects_ = std::move(found);
  revision_ = revision;
  return ok();
}

// Before the change itself: a crash in between leaves a number that nobody has, which harms nobody.
Status Store::raise_revision() {
  const int64_t next = revision_ + 1;
  revision_ = -1;  // unknown until both writes are done
  TRY(files_.set_revision(next));
  revision_ = next;
  return ok();
}

Result<Object> Store::put(StoredObject stored, kube::Change told) {
  TRY(raise_revision());
  stored.object = with_resource_version(stored.object, revision_);
  if (Status written = files_.write(stored); !written) {
    revision_ = -1;  // the file may be the old one or the new one
    return written.error();
  }
  tell(told, stored.object);
  Object result = stored.object;
  ObjectKey key = result.key();
  objects_.insert_or_assign(std::move(key), std::move(stored));
  return result;
}

Result<Object> Store::get(const ObjectKey& key) {
  const MutexLock lock(mutex_);
  TRY(refresh());
  const auto found = objects_.find(complete(key));
  if (found == objects_.end()) return Error{Errc::not_found, complete(key).to_string()};
  return found->second.object;
}

Result<std::vector<Object>> Store::list(std::string_view kind, std::string_view name_space, const Labels& selector) {
  const MutexLock lock(mutex_);
  TRY(refresh());
  std::vector<Object> result;
  for (auto it = objects_.lower_bound({std::string(kind), "", ""}); it != objects_.end() && it->first.kind == kind;
       ++it) {
    const Object& object = it->second.object;
    if (!name_space.empty() && it->first.name_space != name_space) continue;
    if (carries(object, selector)) result.push_back(object);
  }
  return result;
}

Result<const StoredObject*> Store::find_newest(const Object& object) {
  const ObjectKey key = object.key();
  const auto found = objects_.find(key);
  if (found == objects_.end()) return Error{Errc::not_found, key.to_string()};
  const Object& newest = found->second.object;
  if (object.resource_version().empty()) {
    return Error{Errc::invalid_argument,
                 key.to_string() + ": metadata.resourceVersion must be that of the object read"};
  }
  if (object.resource_version() != newest.resource_version() ||
      (!object.uid().empty() && object.uid() != newest.uid())) {
    return Error{Errc::conflict, key.to_string()};
  }
  return &found->second;
}

}  // namespace millrace::local
