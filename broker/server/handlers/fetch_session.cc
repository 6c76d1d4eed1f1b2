#include "broker/server/handlers/fetch_session.h"

#include <algorithm>
#include <optional>

namespace millrace::server {

FetchSession::FetchSession(int32_t id, bool by_topic_id, const std::vector<FetchTarget>& targets)
    : id_(id), by_topic_id_(by_topic_id) {
  MutexLock lock(mutex_);
  for (const FetchTarget& target : targets) put(target);
}

void FetchSession::put(const FetchTarget& target) {
  const auto [at, added] = entries_.try_emplace(Key{*target.topic, target.partition}, order_.end());
  if (added) {
    at->second = order_.insert(order_.end(), Entry{.target = target});
  } else {
    at->second->target = target;
  }
}

size_t FetchSession::size() const {
  MutexLock lock(mutex_);
  return order_.size();
}

bool FetchSession::update(int32_t epoch, const std::vector<FetchTarget>& changed,
                          const std::vector<std::pair<FetchTopic, PartitionIndex>>& forgotten) {
  MutexLock lock(mutex_);
  if (epoch != next_epoch_) return false;
  next_epoch_ = epoch == INT32_MAX ? 1 : epoch + 1;
  for (const FetchTarget& target : changed) put(target);
  for (const Key& key : forgotten) {
    const auto at = entries_.find(key);
    if (at == entries_.end()) continue;
    order_.erase(at->second);
    entries_.erase(at);
  }
  return true;
}

std::vector<FetchTarget> FetchSession::targets() const {
  MutexLock lock(mutex_);
  std::vector<FetchTarget> result;
  result.reserve(order_.size());
  for (const Entry& entry : order_) result.push_back(entry.target);
  return result;
}

bool FetchSession::note_reply(const FetchTopic& topic, PartitionIndex partition, const FetchSummary& summary,
                              bool records) {
  MutexLock lock(mutex_);
  const auto at = entries_.find(Key{topic, partition});
  if (at == entries_.end()) return true;  // forgotten by a later request of the same client
  Entry& entry = *at->second;
  const bool sent = summary.always_sent || entry.sent_high_watermark != summary.high_watermark ||
                    entry.sent_log_start != summary.log_start;
  if (!sent) return false;
  // After an error the next good answer must be sent even if it equals the last good one.
  entry.sent_high_watermark = summary.failed ? kNoOffset : summary.high_watermark;
  entry.sent_log_start = summary.failed ? kNoOffset : summary.log_start;
  if (records) order_.splice(order_.end(), order_, at->second);
  return true;
}

std::shared_ptr<FetchSession> FetchSessionCache::create(bool by_topic_id, const std::vector<FetchTarget>& targets) {
  MutexLock lock(mutex_);
  if (targets.empty() || !make_room(targets.size())) {
    if (!targets.empty()) metrics_.refusals.add();
    return nullptr;
  }
  int32_t id = 0;
  while (id == 0 || slots_.contains(id)) id = static_cast<int32_t>(random_.below(INT32_MAX));
  auto session = std::make_shared<FetchSession>(id, by_topic_id, targets);
  const TimePoint now = clock_.now();
  const size_t size = session->size();
  slots_.emplace(id, Slot{.session = session, .created = now, .used = now, .size = size});
  partitions_ += size;
  metrics_.sessions.set(static_cast<int64_t>(slots_.size()));
  metrics_.partitions.set(static_cast<int64_t>(partitions_));
  return session;
}

std::shared_ptr<FetchSession> FetchSessionCache::find(int32_t id) {
  MutexLock lock(mutex_);
  const auto at = slots_.find(id);
  if (at == slots_.end()) return nullptr;
  at->second.used = clock_.now();
  return at->second.session;
}

void FetchSessionCache::resized(const FetchSession& session) {
  const size_t size = session.size();
  MutexLock lock(mutex_);
  const auto at = slots_.find(session.id());
  if (at == slots_.end()) return;
  partitions_ += size - at->second.size;
  at->second.size = size;
  metrics_.partitions.set(static_cast<int64_t>(partitions_));
  if (partitions_ > limits_.partitions_max) erase(session.id());
}

void FetchSessionCache::close(int32_t id) {
  MutexLock lock(mutex_);
  erase(id);
}

void FetchSessionCache::erase(int32_t id) {
  const auto at = slots_.find(id);
  if (at == slots_.end()) return;
  partitions_ -= at->second.size;
  slots_.erase(at);
  metrics_.sessions.set(static_cast<int64_t>(slots_.size()));
  metrics_.partitions.set(static_cast<int64_t>(partitions_));
}

bool FetchSessionCache::make_room(size_t size) {
  if (limits_.slots == 0 || size > limits_.partitions_max) return false;
  if (slots_.size() < limits_.slots && partitions_ + size <= limits_.partitions_max) return true;
  // A scan: it happens only when the cache is full and a client opens a session, and the slots are few.
  const TimePoint now = clock_.now();
  std::optional<int32_t> idle, smaller;
  TimePoint idle_since = now - limits_.eviction_min;
  size_t smallest = size;
  for (const auto& [id, slot] : slots_) {
    if (slot.used <= idle_since) {
      idle = id;
      idle_since = slot.used;
    }
    if (now - slot.created >= limits_.eviction_min && slot.size < smallest) {
      smaller = id;
      smallest = slot.size;
    }
  }
  const std::optional<int32_t> victim = idle ? idle : smaller;
  if (!victim || partitions_ - slots_[*victim].size + size > limits_.partitions_max) return false;
  erase(*victim);
  metrics_.evictions.add();
  return true;
}

}  // namespace millrace::server
