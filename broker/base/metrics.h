#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "broker/base/clock.h"

namespace millrace {

// Counts for the metrics endpoint. Each folder lists its own in one <folder>_metrics.h; app/ gives them names of the
// product and shows them. Thread-safe; an update is one relaxed atomic addition and never allocates.
class Counter {
 public:
  void add(uint64_t count = 1) { value_.fetch_add(count, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void add(int64_t change) { value_.fetch_add(change, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// Durations in powers of two from 1 µs to about 67 s, and one bucket above. Fixed buckets: Prometheus needs the same
// ones for ever.
class DurationHistogram {
 public:
  static constexpr size_t kBucketCount = 28;  // bucket i holds durations up to 2^i µs; the last one holds the rest

  void record(Duration duration) {
    const uint64_t us = duration.count() <= 0 ? 0 : static_cast<uint64_t>(duration.count()) / 1000;
    buckets_[bucket_of(us)].fetch_add(1, std::memory_order_relaxed);
    sum_ns_.fetch_add(duration.count() <= 0 ? 0 : static_cast<uint64_t>(duration.count()), std::memory_order_relaxed);
  }
  uint64_t bucket(size_t index) const { return buckets_[index].load(std::memory_order_relaxed); }
  uint64_t sum_ns() const { return sum_ns_.load(std::memory_order_relaxed); }
  // Upper bound of a bucket in seconds, for all but the last.
  static double bound_seconds(size_t index) { return static_cast<double>(uint64_t{1} << index) * 1e-6; }

 private:
  static size_t bucket_of(uint64_t us) {
    const size_t bits = us <= 1 ? 0 : 64 - static_cast<size_t>(__builtin_clzll(us - 1));
    return bits < kBucketCount - 1 ? bits : kBucketCount - 1;
  }
  std::array<std::atomic<uint64_t>, kBucketCount> buckets_{};
  std::atomic<uint64_t> sum_ns_{0};
};

}  // namespace millrace
