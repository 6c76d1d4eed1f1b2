#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "broker/base/mutex.h"
#include "operator/local/store.h"

namespace millrace::local {

// One watch. What it has not been told yet is kept per object and shortened to what an observer needs, so that a slow
// watch costs at most two events per object, and is lost when those are too many.
struct Store::Subscription {
  std::string kind;
  std::string name_space;
  std::function<void(const kube::WatchEvent&)> handler;
  // Guarded by the store's mutex:
  std::map<ObjectKey, std::vector<kube::WatchEvent>> pending;
  size_t backlog_max = 0;  // grows by what was there at the beginning, until that is told
  bool is_lost = false;

  Mutex delivering;  // held while the handler runs; before the store's mutex
  bool is_over GUARDED_BY(delivering) = false;

  bool wants(const Object& object) const {
    return !is_lost && object.kind() == kind && (name_space.empty() || object.name_space() == name_space);
  }
  void add(kube::Change change, const Object& object);
};

class Store::WatchHandle final : public kube::Watch {
 public:
  WatchHandle(Store& store, uint64_t number, std::shared_ptr<Subscription> subscription)
      : store_(store), number_(number), subscription_(std::move(subscription)) {}
  WatchHandle(const WatchHandle&) = delete;
  WatchHandle& operator=(const WatchHandle&) = delete;
  ~WatchHandle() override {
    store_.forget(number_);
    const MutexLock lock(subscription_->delivering);
    subscription_->is_over = true;
  }

 private:
  Store& store_;
  const uint64_t number_;
  const std::shared_ptr<Subscription> subscription_;
};

}  // namespace millrace::local
