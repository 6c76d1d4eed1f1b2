#include <algorithm>

#include "broker/io/sim/sim_random.h"
#include "broker/storage/log_test_support.h"

namespace millrace::storage {
namespace {

// Random operations on a log and on a plain list of records; both must always agree.
class LogFuzz : public LogTest {
 protected:
  struct Entry {
    std::string value;
    Timestamp time;
    int64_t batch_end;
  };

  void run(uint64_t seed) {
    fresh_disk(seed);
    config_.segment_bytes_max = 600 + static_cast<int32_t>(seed % 5) * 700;
    config_.index_interval_bytes = static_cast<int32_t>(seed % 3) * 200;
    config_.retention_bytes = -1;
    random_ = std::make_unique<io::sim::SimRandom>(seed);
    records_.clear();
    trace_.clear();
    start_ = flushed_ = 0;
    epoch_ = 0;
    open();
    for (int step = 0; step < 150; ++step) {
      one_step();
      if (HasFatalFailure()) return;
      ASSERT_EQ(log().log_end().value(), end()) << "step " << step;
      ASSERT_EQ(log().log_start().value(), start_) << "step " << step;
      if (step % 10 == 9) compare_all();
      if (HasFatalFailure()) return;
    }
    compare_all();
  }

 protected:
  std::string trace_;  // what was done, for a failure's message

 private:
  int64_t end() const { return static_cast<int64_t>(records_.size()); }
  uint64_t below(uint64_t bound) { return random_->below(bound); }

  void one_step() {
    const uint64_t op = below(16);
    trace_ += " " + std::to_string(op) + "@" + std::to_string(end());
    switch (op) {
      default:
        return append_some();
      case 8:
        return compare_from(start_ + static_cast<int64_t>(below(static_cast<uint64_t>(end() - start_ + 1))));
      case 9:
        return compare_time();
      case 10:
        return truncate();
      case 11:
        return advance_start();
      case 12:
        ASSERT_TRUE(flush());
        flushed_ = end();
        return;
      case 13:
        ASSERT_TRUE(flush());
        flushed_ = end();
        log_start_ = log().log_start();
        close_and_reopen();
        return;
      case 14:
        log_start_ = log().log_start();
        crash();
        return;
      case 15:
        return below(3) == 0 ? lose_power_after_clean_stop() : lose_power_some();
    }
  }
  void append_some() {
    if (below(8) == 0) ++epoch_;
    BatchSpec spec;
    for (uint64_t i = 1 + below(4); i-- > 0;) {
      spec.values.push_back(std::to_string(below(1'000'000)) + std::string(below(120), '.'));
      spec.times.push_back(clock_.wall_ms() - static_cast<Timestamp>(below(2000)));
    }
    clock_.advance(std::chrono::milliseconds(300));
    const int64_t batch_end = end() + static_cast<int64_t>(spec.values.size());
    ASSERT_EQ(log().append_as_leader(make_batch(spec), LeaderEpoch(epoch_)).value().first_offset.value(), end());
    for (size_t i = 0; i < spec.values.size(); ++i) records_.push_back({spec.values[i], spec.times[i], batch_end});
  }
  void truncate() {
    if (below(3) != 0) return;
    int64_t to = start_ + static_cast<int64_t>(below(static_cast<uint64_t>(end() - start_ + 1)));
    ASSERT_TRUE(log().truncate_to(Offset(to)));
    // A batch is kept or dropped whole.
    while (to > 0 && to < end() && records_[static_cast<size_t>(to) - 1].batch_end > to) --to;
    records_.resize(static_cast<size_t>(std::max(to, start_)));
    flushed_ = std::min(flushed_, end());
    recovery_point_ = log().flushed_offset();
    log_start_ = log().log_start();
  }
  void advance_start() {
    if (below(3) != 0) return;
    const int64_t to = start_ + static_cast<int64_t>(below(static_cast<uint64_t>(end() - start_ + 1)));
    const auto work = log().advance_log_start(Offset(to)).value();
    for (const std::string& file : work.delete_paths) ASSERT_TRUE(disk_.remove(file));
    start_ = to;
  }
  void lose_power_some() {
    log_start_ = log().log_start();
    lose_power();
    ASSERT_GE(log().log_end().value(), flushed_);
    ASSERT_LE(log().log_end().value(), std::max(end(), log_start_.value()));
    const int64_t left = log().log_end().value();
    if (left > end()) {
      records_.resize(static_cast<size_t>(left));
    } else {
      ASSERT_TRUE(left == 0 || left <= start_ || records_[static_cast<size_t>(left) - 1].batch_end == left);
    }
    records_.resize(static_cast<size_t>(left));
    start_ = log().log_start().value();
    epoch_ = std::max(epoch_, log().latest_epoch().value());
  }
  void lose_power_after_clean_stop() {
    ASSERT_TRUE(flush() && log().close_cleanly());
    flushed_ = end();
    log_start_ = log().log_start();
    log_.reset();
    disk_.lose_power();
    open(true);
  }
  void compare_from(int64_t from) {
    const Values values = values_from(from);
    ASSERT_EQ(static_cast<int64_t>(values.size()), end() - from);
    for (const auto& [offset, value] : values) ASSERT_EQ(value, records_[static_cast<size_t>(offset)].value);
  }
  void compare_all() { compare_from(start_); }
  void compare_time() {
    const Timestamp time = clock_.wall_ms() - static_cast<Timestamp>(below(60'000));
    const auto found = log().find_by_timestamp(time, Offset(end())).value();
    const auto expected =
        std::find_if(records_.begin() + start_, records_.end(), [&](const Entry& entry) { return entry.time >= time; });
    ASSERT_EQ(found.has_value(), expected != records_.end());
    if (found) {
      ASSERT_EQ(found->offset.value(), expected - records_.begin())
          << time << ", start " << start_ << ", found " << found->timestamp << ", expected " << expected->time;
    }
  }

  std::unique_ptr<io::sim::SimRandom> random_;
  std::vector<Entry> records_;  // by offset
  int64_t start_ = 0;
  int64_t flushed_ = 0;
  int32_t epoch_ = 0;
};

TEST_F(LogFuzz, agrees_with_a_list_of_records_whatever_happens) {
  const uint64_t seeds = seeds_to_run(300);
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    run(seed);
    if (HasFailure()) {
      ADD_FAILURE() << "seed " << seed << ", operations@end:" << trace_;
      return;
    }
  }
}

}  // namespace
}  // namespace millrace::storage
