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
    for (const Write& cut : cuts_) end = std::min(end, cut.end);
    return end;
  }

  // A write was issued that keeps the log up to `keeps` and leaves it ending at `last`.
  void started(WriteSequence sequence, Index keeps, Index last) {
    ENSURE(under_way_.empty() || under_way_.back().sequence < sequence);
    if (keeps < (under_way_.empty() ? written_ : under_way_.back().end)) cuts_.push_back({sequence, keeps});
    under_way_.push_back({sequence, last});
  }
  // Every write up to `sequence` is durable. False if that was known.
  bool finished(WriteSequence sequence) {
    bool news = false;
    for (; !under_way_.empty() && under_way_.front().sequence <= sequence; news = true) {
      written_ = under_way_.front().end;
      under_way_.pop_front();
    }
    while (!cuts_.empty() && cuts_.front().sequence <= sequence) cuts_.pop_front();
    return news;
  }
  // The log was replaced, and is durable up to `index`.
  void reset(Index index) { *this = DurableEnd(index); }

 private:
  struct Write {
    WriteSequence sequence;
    Index end;
  };
  Index written_;
  std::deque<Write> under_way_;  // where each leaves the log; bounded by what may be uncommitted or in flight
  std::deque<Write> cuts_;       // those that take something away, and what they keep; nearly always none
};

}  // namespace millrace::raft
