#include "operator/local/store_subscription.h"

namespace millrace::local {

using kube::Change;
using kube::WatchEvent;

void Store::Subscription::add(Change change, const Object& object) {
  std::vector<WatchEvent>& events = pending[object.key()];
  if (!events.empty() && events.back().change != Change::deleted) {
    WatchEvent& last = events.back();
    if (change == Change::deleted && last.change == Change::added) {
      events.pop_back();  // it came and went unseen
      if (events.empty()) pending.erase(object.key());
      return;
    }
    last.change = change == Change::deleted ? Change::deleted : last.change;
    last.object = object;
    return;
  }
  events.push_back({change, object});
}

void Store::tell(Change change, const Object& object) {
  for (const auto& [number, subscription] : subscriptions_) {
    if (!subscription->wants(object)) continue;
    subscription->add(change, object);
    if (subscription->pending.size() > subscription->backlog_max) {
      subscription->is_lost = true;
      subscription->pending.clear();
    }
    has_events_ = true;
  }
  if (has_events_) changed_.notify_all();
}

Result<std::unique_ptr<kube::Watch>> Store::watch(std::string_view kind, std::string_view name_space,
                                                  std::function<void(const WatchEvent&)> handler) {
  const MutexLock lock(mutex_);
  TRY(refresh());
  auto subscription = std::make_shared<Subscription>();
  subscription->kind = kind;
  subscription->name_space = name_space;
  subscription->handler = std::move(handler);
  for (const auto& [key, stored] : objects_) {
    if (subscription->wants(stored.object)) subscription->add(Change::added, stored.object);
  }
  subscription->backlog_max = subscription->pending.size() + options_.watch_backlog_max;
  if (!subscription->pending.empty()) {
    has_events_ = true;
    changed_.notify_all();
  }
  const uint64_t number = ++last_subscription_;
  subscriptions_.emplace(number, subscription);
  return std::unique_ptr<kube::Watch>(std::make_unique<WatchHandle>(*this, number, std::move(subscription)));
}

void Store::forget(uint64_t subscription) {
  const MutexLock lock(mutex_);
  subscriptions_.erase(subscription);
}

Status Store::pump() {
  std::vector<std::shared_ptr<Subscription>> all;
  Status refreshed = ok();
  {
    const MutexLock lock(mutex_);
    refreshed = refresh();
    has_events_ = false;
    for (const auto& [number, subscription] : subscriptions_) all.push_back(subscription);
  }
  for (const std::shared_ptr<Subscription>& subscription : all) {
    const MutexLock delivering(subscription->delivering);
    if (subscription->is_over) continue;
    std::map<ObjectKey, std::vector<WatchEvent>> pending;
    bool is_lost = false;
    {
      const MutexLock lock(mutex_);
      pending.swap(subscription->pending);
      subscription->backlog_max = options_.watch_backlog_max;
      is_lost = subscription->is_lost;
    }
    if (is_lost) {
      subscription->is_over = true;
      subscription->handler({Change::lost, Object()});
      continue;
    }
    for (const auto& [key, events] : pending) {
      for (const WatchEvent& event : events) subscription->handler(event);
    }
  }
  return refreshed;
}

void Store::wait_for_change(Duration timeout) {
  const MutexLock lock(mutex_);
  if (!has_events_ && !interrupted_) changed_.wait_for(mutex_, timeout);
  interrupted_ = false;
}

void Store::interrupt() {
  const MutexLock lock(mutex_);
  interrupted_ = true;
  changed_.notify_all();
}

}  // namespace millrace::local
