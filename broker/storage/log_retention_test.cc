#include "broker/storage/log_test_support.h"

namespace millrace::storage {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

class LogRetention : public LogTest {
 protected:
  LogRetention() { config_.segment_bytes_max = 1000; }
  void fill(int batches) {
    for (int i = 0; i < batches; ++i) append({.values = {std::string(200, 'x')}, .time = clock_.wall_ms()});
  }
  Log::RetentionWork enforce() { return log().enforce_retention(log().log_end()).value(); }
  size_t segment_files() {
    size_t count = 0;
    for (const std::string& file : disk_.files()) count += file.ends_with(".log");
    return count;
  }
};

TEST_F(LogRetention, segments_roll_by_size_and_are_named_by_their_base_offset) {
  fill(9);  // three batches fit into a segment
  EXPECT_TRUE(exists("00000000000000000000.log"));
  EXPECT_TRUE(exists("00000000000000000003.log"));
  EXPECT_TRUE(exists("00000000000000000006.log"));
  EXPECT_EQ(segment_files(), 3u);
}

TEST_F(LogRetention, segments_roll_by_the_time_of_their_records) {
  config_.segment_ms_max = 10'000;
  fill(1);
  clock_.advance(milliseconds(10'000));
  fill(1);
  EXPECT_EQ(segment_files(), 1u);
  clock_.advance(milliseconds(1));
  fill(1);
  EXPECT_EQ(segment_files(), 2u);
  // Background work rolls a segment that nobody appends to.
  clock_.advance(milliseconds(10'001));
  enforce();
  EXPECT_EQ(segment_files(), 3u);
  EXPECT_TRUE(exists("00000000000000000003.log"));
}

TEST_F(LogRetention, old_segments_go_and_the_log_starts_later) {
  config_.retention_ms = 3'600'000;
  fill(6);
  clock_.advance(hours(2));
  fill(6);
  const auto work = enforce();
  EXPECT_EQ(work.segments, 2u);
  EXPECT_EQ(log().log_start(), Offset(6));
  for (const std::string& file : work.delete_paths) EXPECT_TRUE(file.ends_with(".deleted")) << file;
  EXPECT_FALSE(exists("00000000000000000000.log"));
  EXPECT_TRUE(exists("00000000000000000000.log.deleted"));
  crash();
  EXPECT_FALSE(exists("00000000000000000000.log.deleted"));
  EXPECT_EQ(log().log_start(), Offset(6));
  EXPECT_EQ(all().size(), 6u);
}

TEST_F(LogRetention, when_all_is_old_an_empty_segment_keeps_the_place) {
  config_.retention_ms = 1000;
  fill(5);
  clock_.advance(hours(1));
  enforce();
  EXPECT_EQ(log().log_start(), Offset(5));
  EXPECT_EQ(log().size_bytes(), 0u);
  for (const bool clean : {true, false}) {
    if (clean) {
      ASSERT_TRUE(flush() && log().close_cleanly());
    }
    open(clean);
    EXPECT_EQ(log().log_end(), Offset(5));
  }
  EXPECT_EQ(append({"next"}).first_offset, Offset(5));
}

TEST_F(LogRetention, records_above_the_limit_stay_however_old) {
  config_.retention_ms = 1000;
  fill(9);
  clock_.advance(hours(1));
  EXPECT_EQ(log().enforce_retention(Offset(5)).value().segments, 1u);
  EXPECT_EQ(log().log_start(), Offset(3));
}

TEST_F(LogRetention, size_is_kept_at_or_above_the_limit) {
  config_.retention_bytes = 2000;
  fill(30);
  enforce();
  EXPECT_GE(log().size_bytes(), 2000u);
  EXPECT_LT(log().size_bytes(), 3000u);
  config_.retention_ms = -1;
  config_.delete_old = false;
  log().set_config(config_);
  fill(30);
  clock_.advance(hours(100'000));
  EXPECT_EQ(enforce().segments, 0u);
}

TEST_F(LogRetention, delete_records_moves_the_start_and_removes_whole_segments) {
  fill(9);
  EXPECT_EQ(log().advance_log_start(Offset(7)).value().segments, 2u);
  EXPECT_EQ(log().log_start(), Offset(7));
  EXPECT_EQ(all().size(), 2u);
  EXPECT_EQ(log().advance_log_start(Offset(3)).value().segments, 0u);  // never back
  EXPECT_EQ(log().advance_log_start(Offset(10)).error().code, Errc::offset_out_of_range);
  log_start_ = Offset(7);
  crash();
  EXPECT_EQ(all().size(), 2u);
}

TEST_F(LogRetention, truncation_drops_the_end_of_log_epochs_and_producers) {
  for (int i = 0; i < 9; ++i) {
    ASSERT_TRUE(log().append_as_leader(
        make_batch({.values = {std::string(200, 'x')}, .producer = 4, .epoch = 0, .sequence = i}), LeaderEpoch(i / 4)));
  }
  ASSERT_TRUE(flush());
  ASSERT_TRUE(log().truncate_to(Offset(5)));
  EXPECT_EQ(log().log_end(), Offset(5));
  EXPECT_EQ(log().latest_epoch(), LeaderEpoch(1));
  EXPECT_EQ(log().flushed_offset(), Offset(5));
  lose_power();
  EXPECT_EQ(log().log_end(), Offset(5));
  EXPECT_EQ(log().latest_epoch(), LeaderEpoch(1));
  const auto next = make_batch({.values = {"y"}, .producer = 4, .epoch = 0, .sequence = 5});
  EXPECT_EQ(log().append_as_leader(next, LeaderEpoch(2)).value().first_offset, Offset(5));
  ASSERT_TRUE(log().truncate_to(Offset(0)));
  EXPECT_EQ(log().log_end(), Offset(0));
  EXPECT_EQ(append({"anew"}).first_offset, Offset(0));
  ASSERT_TRUE(log().start_over(Offset(70)));
  EXPECT_EQ(append({"there"}).first_offset, Offset(70));
  log_start_ = Offset(70);
  crash();
  EXPECT_EQ(all(), (Values{{70, "there"}}));
}

TEST_F(LogRetention, flushes_cover_what_was_appended_before_they_began) {
  config_.flush_messages = 3;
  config_.flush_ms = 500;
  EXPECT_FALSE(log().flush_due());
  EXPECT_FALSE(append({"a"}).flush_before_ack);
  EXPECT_EQ(log().flush_due().value() - clock_.now(), milliseconds(500));
  EXPECT_TRUE(append({"b", "c"}).flush_before_ack);
  FlushPlan first = log().begin_flush();
  EXPECT_EQ(first.up_to, Offset(3));
  EXPECT_FALSE(append({"d"}).flush_before_ack);
  log().end_flush(first, run_flush(disk_, first));
  EXPECT_EQ(log().flushed_offset(), Offset(3));
  FlushPlan second = log().begin_flush();
  log().end_flush(second, run_flush(disk_, second));
  EXPECT_EQ(log().flushed_offset(), Offset(4));
  EXPECT_TRUE(log().begin_flush().empty());
  EXPECT_FALSE(log().flush_due());
}

TEST_F(LogRetention, a_flush_that_began_before_a_truncation_promises_nothing) {
  fill(4);
  FlushPlan plan = log().begin_flush();
  ASSERT_TRUE(log().truncate_to(Offset(1)));
  fill(3);
  log().end_flush(plan, run_flush(disk_, plan));
  EXPECT_EQ(log().flushed_offset(), Offset(0));
}

}  // namespace
}  // namespace millrace::storage
