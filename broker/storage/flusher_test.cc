#include "broker/storage/flusher.h"

#include <atomic>
#include <functional>

#include <gtest/gtest.h>

#include "broker/io/sim/sim_clock.h"
#include "broker/io/sim/sim_file_system.h"

namespace millrace::storage {
namespace {

// A log that has always something to flush, and counts.
class CountingLog final : public Flushable {
 public:
  explicit CountingLog(io::sim::SimFileSystem& fs) : file_(fs.open("/f", io::OpenMode::create).value()) {}
  FlushPlan begin_flush() override {
    FlushPlan plan;
    if (nothing) return plan;
    plan.files.push_back(file_);
    plan.up_to = Offset(appended.load());
    if (on_begin) on_begin();
    return plan;
  }
  void end_flush(const FlushPlan& plan, const Status& outcome) override {
    if (outcome) flushed = plan.up_to.value();
    failed = !outcome;
    ++ended;
  }
  std::function<void()> on_begin;
  bool nothing = false;
  std::atomic<int64_t> appended{0}, flushed{0};
  std::atomic<int> ended{0};
  std::atomic<bool> failed{false};

 private:
  std::shared_ptr<io::File> file_;
};

class FlusherTest : public testing::Test {
 protected:
  io::sim::SimFileSystem disk_;
  io::sim::SimClock clock_;
  std::shared_ptr<CountingLog> log_ = std::make_shared<CountingLog>(disk_);
};

TEST_F(FlusherTest, many_requests_before_a_flush_cost_one) {
  Flusher flusher(disk_, clock_, 0);
  for (int i = 0; i < 100; ++i) flusher.flush_soon(log_);
  EXPECT_FALSE(flusher.run_due());
  EXPECT_EQ(log_->ended, 1);
}

TEST_F(FlusherTest, what_is_asked_for_during_a_flush_is_covered_by_the_next) {
  Flusher flusher(disk_, clock_, 0);
  log_->appended = 1;
  log_->on_begin = [&] {
    if (log_->appended != 1) return;
    log_->appended = 2;  // appended while the flush of the first one runs
    for (int i = 0; i < 10; ++i) flusher.flush_soon(log_);
  };
  flusher.flush_soon(log_);
  flusher.run_due();
  EXPECT_EQ(log_->ended, 2);
  EXPECT_EQ(log_->flushed, 2);
}

TEST_F(FlusherTest, due_times_are_kept_and_the_earliest_counts) {
  Flusher flusher(disk_, clock_, 0);
  flusher.flush_by(log_, clock_.now() + std::chrono::seconds(5));
  flusher.flush_by(log_, clock_.now() + std::chrono::seconds(2));
  flusher.flush_by(log_, clock_.now() + std::chrono::seconds(9));
  EXPECT_EQ(flusher.run_due(), clock_.now() + std::chrono::seconds(2));
  EXPECT_EQ(log_->ended, 0);
  clock_.advance(std::chrono::seconds(2));
  EXPECT_FALSE(flusher.run_due());
  EXPECT_EQ(log_->ended, 1);
}

TEST_F(FlusherTest, a_failure_reaches_the_log_and_is_not_tried_again) {
  Flusher flusher(disk_, clock_, 0);
  disk_.fail_call(0);
  flusher.flush_soon(log_);
  flusher.run_due();
  EXPECT_TRUE(log_->failed);
  EXPECT_EQ(log_->ended, 1);
  log_->nothing = true;
  EXPECT_TRUE(flusher.flush_now(*log_));
  EXPECT_EQ(log_->ended, 1);
}

TEST_F(FlusherTest, its_threads_flush_everything_before_they_stop) {
  std::vector<std::shared_ptr<CountingLog>> logs;
  for (int i = 0; i < 20; ++i) logs.push_back(std::make_shared<CountingLog>(disk_));
  {
    Flusher flusher(disk_, clock_);
    for (int round = 1; round <= 50; ++round) {
      for (const auto& log : logs) {
        log->appended = round;
        flusher.flush_soon(log);
      }
    }
    flusher.flush_by(log_, clock_.now() + std::chrono::hours(1));
    flusher.stop();
    flusher.flush_soon(log_);  // dropped
  }
  for (const auto& log : logs) {
    EXPECT_EQ(log->flushed, 50);
    EXPECT_LE(log->ended, 50);
  }
  EXPECT_EQ(log_->ended, 1);
}

}  // namespace
}  // namespace millrace::storage
