#pragma once

#include <atomic>
#include <cstddef>
#include <vector>

#include "broker/base/bytes.h"
#include "broker/base/strong_id.h"

namespace millrace::replication {

inline constexpr size_t kTailBytesMax = 64 * 1024 * 1024;          // of all partitions of a broker
inline constexpr size_t kPartitionTailBytesMax = 2 * 1024 * 1024;  // of one
// What a producer sent in one request is one block of memory, which each of its batches keeps alive: a small batch is
// charged as if it were this large.
inline constexpr size_t kTailBatchBytesMin = 1024;

// How many bytes the tails of all partitions hold. Thread-safe.
class TailBudget {
 public:
  explicit TailBudget(size_t bytes_max = kTailBytesMax) : bytes_max_(bytes_max) {}
  bool take(size_t bytes) {
    if (used_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= bytes_max_) return true;
    give_back(bytes);
    return false;
  }
  void give_back(size_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }
  size_t used() const { return used_.load(std::memory_order_relaxed); }

 private:
  const size_t bytes_max_;
  std::atomic<size_t> used_{0};
};

// The newest batches of a leader's log that some follower has not been sent yet, without gaps: the very bytes that the
// producer sent. What does not fit is forgotten, and read from the log. Guarded by its Partition.
class TailCache {
 public:
  struct Batch {
    Offset base;
    Offset end;
    Bytes bytes;
  };

  explicit TailCache(TailBudget* budget) : budget_(budget) {}
  ~TailCache() { clear(); }
  TailCache(const TailCache&) = delete;
  TailCache& operator=(const TailCache&) = delete;

  void add(Batch batch) {
    const size_t charge = charge_of(batch);
    if (budget_ == nullptr || charge > kPartitionTailBytesMax) return clear();
    while (!empty() && used_ + charge > kPartitionTailBytesMax) pop_front();
    if (!budget_->take(charge)) return clear();
    used_ += charge;
    batches_.push_back(std::move(batch));
  }
  void release_below(Offset offset) {
    while (!empty() && front().end <= offset) pop_front();
  }
  void clear() {
    while (!empty()) pop_front();
  }

  bool empty() const { return first_ == batches_.size(); }
  const Batch& front() const { return batches_[first_]; }
  // From the batch that begins at `from` on; null when it is not here.
  const Batch* find(Offset from) const {
    size_t low = first_, high = batches_.size();
    while (low < high) {
      const size_t middle = (low + high) / 2;
      if (batches_[middle].base < from) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low < batches_.size() && batches_[low].base == from ? &batches_[low] : nullptr;
  }
  const Batch* end() const { return batches_.data() + batches_.size(); }

 private:
  static size_t charge_of(const Batch& batch) {
    return batch.bytes.size() < kTailBatchBytesMin ? kTailBatchBytesMin : batch.bytes.size();
  }
  void pop_front() {
    const size_t charge = charge_of(batches_[first_]);
    used_ -= charge;
    budget_->give_back(charge);
    batches_[first_++].bytes = {};
    if (first_ == batches_.size()) {
      first_ = 0;
      batches_.clear();
      if (batches_.capacity() > kKeptCapacity) batches_.shrink_to_fit();
    } else if (first_ > kKeptCapacity && first_ * 2 > batches_.size()) {
      batches_.erase(batches_.begin(), batches_.begin() + static_cast<std::ptrdiff_t>(first_));
      first_ = 0;
    }
  }

  static constexpr size_t kKeptCapacity = 16;

  TailBudget* const budget_;
  std::vector<Batch> batches_;
  size_t first_ = 0;  // batches before it are gone
  size_t used_ = 0;
};

}  // namespace millrace::replication
