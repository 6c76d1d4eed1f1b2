#pragma once

#include <algorithm>
#include <deque>

#include "broker/raft/core/types.h"

namespace millrace::raft {

// Up to where the log as it is now would survive a crash: writes are ordered, each may first cut the log, and a cut
// that is under way may happen at any moment, so what it takes away no longer counts. Owned by the core.
class DurableEnd {
 public:
  explicit DurableEnd(Index durable) : written_(durable) {}

  Index index() const {
    Index end = written_;
    for (const Write& write : under_way_) end = std::min(end, write.keeps);
    return end;
  }

  // A write was issued that keeps the log up to `keeps` and leaves it ending at `last`.
  void started(WriteSequence sequence, Index keeps, Index last) {
    ENSURE(under_way_.empty() || under_way_.back().sequence < sequence);
    under_way_.push_back({sequence, keeps, last});
  }
  // Every write up to `sequence` is durable. False if that was known.
  bool finished(WriteSequence sequence) {
    bool news = false;
    for (; !under_way_.empty() && under_way_.front().sequence <= sequence; news = true) {
      written_ = under_way_.front().last;
      under_way_.pop_front();
    }
    return news;
  }
  // The log was replaced, or is known to be durable up to `index` by other means.
  void reset(Index index) {
    written_ = index;
    under_way_.clear();
  }
  bool idle() const { return under_way_.empty(); }

 private:
  struct Write {
    WriteSequence sequence;
    Index keeps;
    Index last;
  };
  Index written_;
  std::deque<Write> under_way_;  // bounded by what may be uncommitted or in flight
};

}  // namespace millrace::raft
