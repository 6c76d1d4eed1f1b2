#include "broker/replication/partition_table.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "broker/storage/producer_state.h"

namespace millrace::replication {

namespace {

size_t stripe_of_this_thread() {
  static std::atomic<size_t> next{0};
  thread_local const size_t stripe = next.fetch_add(1, std::memory_order_relaxed) % PartitionTable::kStripes;
  return stripe;
}

}  // namespace

class PartitionTable::ReadLock {
 public:
  explicit ReadLock(const PartitionTable& table) NO_THREAD_SAFETY_ANALYSIS
      : mutex_(table.stripes_[stripe_of_this_thread()].mutex) {
    mutex_.lock();
  }
  ~ReadLock() NO_THREAD_SAFETY_ANALYSIS { mutex_.unlock(); }
  ReadLock(const ReadLock&) = delete;
  ReadLock& operator=(const ReadLock&) = delete;

 private:
  Mutex& mutex_;
};

class PartitionTable::WriteLock {
 public:
  explicit WriteLock(PartitionTable& table) NO_THREAD_SAFETY_ANALYSIS : table_(table) {
    for (Stripe& stripe : table_.stripes_) stripe.mutex.lock();
  }
  ~WriteLock() NO_THREAD_SAFETY_ANALYSIS {
    for (Stripe& stripe : table_.stripes_) stripe.mutex.unlock();
  }
  WriteLock(const WriteLock&) = delete;
  WriteLock& operator=(const WriteLock&) = delete;

 private:
  PartitionTable& table_;
};

const std::shared_ptr<Partition>* PartitionTable::at(const Topic& topic, PartitionIndex index) {
  if (index.value() < 0 || static_cast<size_t>(index.value()) >= topic.partitions.size()) return nullptr;
  return &topic.partitions[static_cast<size_t>(index.value())];
}

std::shared_ptr<Partition> PartitionTable::find(std::string_view topic, PartitionIndex index) const {
  ReadLock lock(*this);
  const auto found = by_name_.find(topic);
  if (found == by_name_.end()) return nullptr;
  const std::shared_ptr<Partition>* partition = at(*found->second, index);
  return partition == nullptr ? nullptr : *partition;
}

std::shared_ptr<Partition> PartitionTable::find(const Uuid& topic_id, PartitionIndex index) const {
  ReadLock lock(*this);
  const auto found = by_id_.find(topic_id);
  if (found == by_id_.end()) return nullptr;
  const std::shared_ptr<Partition>* partition = at(*found->second, index);
  return partition == nullptr ? nullptr : *partition;
}

std::vector<std::shared_ptr<Partition>> PartitionTable::all() const {
  std::vector<std::shared_ptr<Partition>> result;
  {
    ReadLock lock(*this);
    result.reserve(size_);
    for (const auto& [id, topic] : by_id_) {
      for (const auto& partition : topic->partitions) {
        if (partition != nullptr) result.push_back(partition);
      }
    }
  }
  std::sort(result.begin(), result.end(), [](const auto& a, const auto& b) { return a->id() < b->id(); });
  return result;
}

size_t PartitionTable::size() const {
  ReadLock lock(*this);
  return size_;
}

std::shared_ptr<Partition> PartitionTable::note_refused(AbsentBatch refused, TimePoint now) {
  if (!storage::is_idempotent(refused.header)) return nullptr;
  MutexLock lock(absent_mutex_);
  auto partition =
      refused.topic_id.is_zero() ? find(refused.topic, refused.partition) : find(refused.topic_id, refused.partition);
  if (partition != nullptr) return partition;
  while (!absent_.empty() &&
         (absent_.size() == kAbsentBatchesMax || now - absent_.front().at >= RefusedBatches::kKept)) {
    absent_.pop_front();
  }
  absent_.push_back({std::move(refused), now});
  return nullptr;
}

void PartitionTable::insert(std::shared_ptr<Partition> partition) {
  MutexLock absent_lock(absent_mutex_);
  // Before anyone finds it.
  std::erase_if(absent_, [&](const Absent& one) {
    const AbsentBatch& batch = one.batch;
    const bool is_of_it =
        batch.partition == partition->id().partition &&
        (batch.topic_id.is_zero() ? batch.topic == partition->id().topic : batch.topic_id == partition->topic_id());
    if (is_of_it) partition->note_refused(batch.header, batch.reason);
    return is_of_it;
  });
  WriteLock lock(*this);
  std::unique_ptr<Topic>& topic = by_id_[partition->topic_id()];
  if (topic == nullptr) {
    topic = std::make_unique<Topic>();
    topic->name = partition->id().topic;
    topic->id = partition->topic_id();
    // A topic made anew under an old name takes the name over; the key is the new topic's own text.
    by_name_.erase(topic->name);
    by_name_.emplace(topic->name, topic.get());
  }
  const auto index = static_cast<size_t>(partition->id().partition.value());
  if (index >= topic->partitions.size()) topic->partitions.resize(index + 1);
  if (topic->partitions[index] == nullptr) ++size_;
  topic->partitions[index] = std::move(partition);
}

void PartitionTable::erase(const Partition& partition) {
  std::shared_ptr<Partition> last_reference;  // dropped after the locks: it may close files
  WriteLock lock(*this);
  const auto found = by_id_.find(partition.topic_id());
  if (found == by_id_.end()) return;
  Topic& topic = *found->second;
  const auto index = static_cast<size_t>(partition.id().partition.value());
  if (index >= topic.partitions.size() || topic.partitions[index].get() != &partition) return;
  last_reference = std::move(topic.partitions[index]);
  --size_;
  if (std::any_of(topic.partitions.begin(), topic.partitions.end(), [](const auto& p) { return p != nullptr; })) return;
  if (const auto named = by_name_.find(topic.name); named != by_name_.end() && named->second == &topic) {
    by_name_.erase(named);
  }
  by_id_.erase(found);
}

}  // namespace millrace::replication
