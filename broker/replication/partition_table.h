#pragma once

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "broker/base/mutex.h"
#include "broker/base/strong_id.h"
#include "broker/base/uuid.h"
#include "broker/replication/partition.h"

namespace millrace::replication {

// Partitions by (topic, index) and by (topic id, index). Read by every request, changed by almost none: each reading
// thread takes one of kStripes locks, its own as long as there are no more threads than that, so that readers never
// wait for each other or share a cache line; a writer takes all of them. Thread-safe.
class PartitionTable {
 public:
  static constexpr size_t kStripes = 16;
  static constexpr size_t kAbsentBatchesMax = 1024;  // beyond it the oldest is forgotten

  std::shared_ptr<Partition> find(std::string_view topic, PartitionIndex index) const;
  std::shared_ptr<Partition> find(const Uuid& topic_id, PartitionIndex index) const;
  std::vector<std::shared_ptr<Partition>> all() const;  // sorted by topic and partition
  size_t size() const;

  void insert(std::shared_ptr<Partition> partition);  // replaces one of the same topic id and index
  void erase(const Partition& partition);

  // A batch is refused because find() found no partition; it is told of that when it comes (RefusedBatches). If it has
  // come meanwhile, it is returned, and nothing is noted.
  std::shared_ptr<Partition> note_refused(AbsentBatch refused, TimePoint now);

 private:
  struct Topic {
    std::string name;
    Uuid id;
    std::vector<std::shared_ptr<Partition>> partitions;  // by index; null where the broker has no replica
  };
  struct alignas(64) Stripe {
    mutable Mutex mutex;
  };
  class ReadLock;
  class WriteLock;

  static const std::shared_ptr<Partition>* at(const Topic& topic, PartitionIndex index);

  // Guarded by: any one stripe for reading, all of them (in order) for writing; the annotations cannot say that.
  std::array<Stripe, kStripes> stripes_;
  std::unordered_map<Uuid, std::unique_ptr<Topic>> by_id_;
  std::unordered_map<std::string_view, Topic*> by_name_;  // keys are the topics' own names
  size_t size_ = 0;

  struct Absent {
    AbsentBatch batch;
    TimePoint at;
  };
  Mutex absent_mutex_;  // taken before a stripe and before a partition's
  std::deque<Absent> absent_ GUARDED_BY(absent_mutex_);
};

}  // namespace millrace::replication
