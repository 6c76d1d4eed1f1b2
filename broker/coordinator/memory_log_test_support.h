#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "broker/coordinator/groups.h"
#include "broker/coordinator/timers.h"
#include "broker/machine/log_writer.h"

namespace millrace::coordinator {

// The log of one partition of __consumer_offsets in memory. Commits inline, or when told, or not at all.
class MemoryLog final : public machine::LogWriter {
 public:
  std::vector<machine::Record> records;  // durable ones
  bool holds_commits = false;
  std::optional<Errc> fails_with;
  size_t bytes_max = SIZE_MAX;

  size_t batch_bytes_max() const override { return bytes_max; }
  void append(std::vector<machine::Record> batch, Committed committed) override {
    if (holds_commits)
      return held_.push_back([this, batch = std::move(batch), committed] { settle(batch, committed); });
    settle(batch, committed);
  }
  void commit_held() {
    while (!held_.empty()) {
      auto commit = std::move(held_.front());
      held_.pop_front();
      commit();
    }
  }
  Groups replay(GroupConfig config) const {
    Groups groups(config);
    for (size_t i = 0; i < records.size(); ++i) groups.apply(Offset{static_cast<int64_t>(i)}, records[i]);
    return groups;
  }
  Offset end() const { return Offset{static_cast<int64_t>(records.size())}; }

 private:
  void settle(const std::vector<machine::Record>& batch, const Committed& committed) {
    if (fails_with) return committed(Error{*fails_with, "memory log"});
    records.insert(records.end(), batch.begin(), batch.end());
    committed(end().previous());
  }
  std::deque<std::function<void()>> held_;
};

// Timers that run when the test moves time.
class TestTimers final : public Timers {
 public:
  void run_at(TimePoint at, std::function<void()> task) override { tasks_.emplace(at, std::move(task)); }
  std::optional<TimePoint> next() const { return tasks_.empty() ? std::nullopt : std::optional(tasks_.begin()->first); }
  void run_due(TimePoint now) {
    while (!tasks_.empty() && tasks_.begin()->first <= now) {
      auto task = std::move(tasks_.begin()->second);
      tasks_.erase(tasks_.begin());
      task();
    }
  }

 private:
  std::multimap<TimePoint, std::function<void()>> tasks_;
};

// A reply that may not have come yet.
template <class Reply>
using Pending = std::shared_ptr<std::optional<Reply>>;

}  // namespace millrace::coordinator
