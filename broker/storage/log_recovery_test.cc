#include <algorithm>

#include "broker/io/sim/sim_random.h"
#include "broker/storage/log_test_support.h"
#include "broker/storage/segment_file.h"

namespace millrace::storage {
namespace {

class LogRecovery : public LogTest {
 protected:
  explicit LogRecovery(uint64_t seed = 1) : LogTest(seed) {
    config_.segment_bytes_max = 1500;
    config_.index_interval_bytes = 200;
  }
  static std::string value(int64_t offset) { return "value-" + std::to_string(offset) + std::string(50, '.'); }
  bool append_next() {
    const int64_t next = log().log_end().value();
    return static_cast<bool>(try_append(
        {.values = {value(next), value(next + 1)}, .producer = 7, .epoch = 0, .sequence = static_cast<int32_t>(next)}));
  }
  // Every record of the log is what was appended there, and there are none missing.
  void expect_intact(const std::string& when) {
    const Values values = all();
    ASSERT_EQ(static_cast<int64_t>(values.size()), log().log_end().value() - log().log_start().value()) << when;
    for (const auto& [offset, text] : values) ASSERT_EQ(text, value(offset)) << when;
  }
};

TEST_F(LogRecovery, a_kill_at_every_write_loses_nothing_that_was_appended) {
  for (uint64_t call = 0;; ++call) {
    disk_.restart();
    ASSERT_TRUE(disk_.remove_all("/data"));
    recovery_point_ = Offset(0);
    open();
    disk_.die_at_call(call);
    int64_t appended = 0;
    for (int i = 0; i < 25 && append_next(); ++i) {
      appended = log().log_end().value();
      if (i % 7 == 3 && !flush()) break;
    }
    const bool died = appended < 50;
    crash();
    const std::string when = "killed at call " + std::to_string(call);
    ASSERT_GE(log().log_end(), Offset(appended)) << when;
    expect_intact(when);
    ASSERT_TRUE(append_next()) << when;  // the producer's sequence goes on
    if (!died) break;
  }
}

TEST_F(LogRecovery, a_power_loss_keeps_every_flushed_record_and_never_serves_a_damaged_one) {
  for (uint64_t seed = 0; seed < 600; ++seed) {
    fresh_disk(seed);
    io::sim::SimRandom random(seed);
    open();
    for (int round = 0; round < 3; ++round) {
      Offset flushed = log().flushed_offset();
      for (uint64_t i = random.below(30); i-- > 0;) {
        ASSERT_TRUE(append_next());
        if (random.chance(6)) {
          ASSERT_TRUE(flush());
          flushed = log().flushed_offset();
        }
        // The checkpoint of a broker lags behind its flushes.
        if (random.chance(3)) recovery_point_ = std::min(recovery_point_, Offset(flushed.value() / 2));
      }
      if (random.chance(4)) {
        ASSERT_TRUE(flush() && log().close_cleanly());
        flushed = log().flushed_offset();
      }
      lose_power();
      const std::string when = "seed " + std::to_string(seed) + " round " + std::to_string(round);
      ASSERT_GE(log().log_end(), flushed) << when;
      expect_intact(when);
      ASSERT_TRUE(append_next()) << when;
    }
  }
}

TEST_F(LogRecovery, a_flipped_bit_is_never_served) {
  open();
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(append_next());
  ASSERT_TRUE(flush() && log().close_cleanly());
  std::vector<std::string> logs;
  for (const std::string& file : disk_.files()) {
    if (file.ends_with(".log")) logs.push_back(file);
  }
  io::sim::SimRandom random(11);
  int damaged = 0;
  for (int i = 0; i < 400; ++i) {
    const std::string& file = logs[random.below(logs.size())];
    const uint64_t size = disk_.open(file, io::OpenMode::read).value()->size().value();
    uint64_t bit = random.below(size * 8);
    disk_.flip_bit(file, bit);
    open(random.chance(2));
    // Everything else is still there: read from every batch on.
    size_t served = 0;
    for (int64_t offset = 0; offset < log().log_end().value(); offset += 2) {
      auto info = read(offset, 1);
      if (!info) {
        EXPECT_EQ(info.error().code, Errc::corrupt);
        continue;
      }
      Values values;
      add_values(bytes_of(*info).view(), values);
      for (const auto& [at, text] : values) EXPECT_EQ(text, value(at)) << file << " bit " << bit;
      ++served;
    }
    damaged += served < 40;
    EXPECT_GE(served, 40u - 12u) << file << " bit " << bit;  // at most what shares an index interval or is cut
    log_.reset();
    if (disk_.open(file, io::OpenMode::read).value()->size().value() < size) {
      // Recovery cut the damaged end: make the log anew.
      ASSERT_TRUE(disk_.remove_all("/data"));
      recovery_point_ = Offset(0);
      open();
      for (int n = 0; n < 40; ++n) ASSERT_TRUE(append_next());
      ASSERT_TRUE(flush() && log().close_cleanly());
      log_.reset();
    } else {
      disk_.flip_bit(file, bit);
    }
  }
  EXPECT_GT(damaged, 300);  // the leader epoch alone is outside the checksum and unchecked
}

TEST_F(LogRecovery, damage_in_the_middle_of_flushed_records_keeps_what_follows) {
  config_.segment_bytes_max = 1 << 20;
  open();
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(append_next());
  ASSERT_TRUE(flush());
  log_.reset();
  disk_.flip_bit(path("00000000000000000000.log"), uint64_t{8} * 300);  // in the second batch
  open();
  EXPECT_EQ(log().log_end(), Offset(60));
  EXPECT_EQ(metrics_.corrupt_batches.value(), 1u);
  EXPECT_EQ(read(2).error().code, Errc::corrupt);
  EXPECT_EQ(values_from(4).size(), 56u);
  Values before;
  add_values(bytes_of(*read(0)).view(), before);
  EXPECT_EQ(before.size(), 2u);
}

TEST_F(LogRecovery, a_tail_of_zeros_or_garbage_is_cut) {
  open();
  ASSERT_TRUE(append_next() && append_next());
  for (const std::string& tail : {std::string(4096, '\0'), std::string(500, '\x02'), std::string(1, 'x')}) {
    log_.reset();
    {
      auto file = disk_.open(path("00000000000000000000.log"), io::OpenMode::read_write).value();
      const std::array<BytesView, 1> pieces{as_bytes(tail)};
      ASSERT_TRUE(file->write_at(file->size().value(), pieces));
    }
    open();
    EXPECT_EQ(log().log_end(), Offset(4));
    expect_intact("tail");
  }
  ASSERT_TRUE(append_next());
  expect_intact("appended");
}

TEST_F(LogRecovery, segments_behind_a_gap_of_unflushed_records_are_removed) {
  open();
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(append_next());
  log_.reset();
  const auto files = disk_.files();
  std::vector<std::string> logs;
  std::copy_if(files.begin(), files.end(), std::back_inserter(logs), [](const auto& f) { return f.ends_with(".log"); });
  ASSERT_GE(logs.size(), 3u);
  ASSERT_TRUE(disk_.open(logs[1], io::OpenMode::read_write).value()->truncate(0));
  open();
  EXPECT_EQ(log().log_end(), *parse_segment_name(logs[1].substr(logs[1].rfind('/') + 1), ".log"));
  expect_intact("gap");
  ASSERT_TRUE(append_next());
}

TEST_F(LogRecovery, a_segment_that_recovery_removed_never_comes_back) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    fresh_disk(seed);
    open();
    for (int i = 0; i < 20; ++i) append({"old", std::string(100, 'o')});
    ASSERT_TRUE(flush());
    recovery_point_ = Offset(0);  // the checkpoint was never written, so that a gap ends the log
    log_.reset();
    {
      auto file = disk_.open(path("00000000000000000000.log"), io::OpenMode::read_write).value();
      ASSERT_TRUE(file->truncate(file->size().value() - 1) && file->flush());
    }
    open();
    const int64_t cut = log().log_end().value();
    // What is appended in their place ends where the removed segments began.
    for (int i = 0; i < 4; ++i) append({"new", std::string(100, 'n')});
    lose_power();
    for (const auto& [offset, value] : all()) {
      if (offset >= cut) {
        ASSERT_EQ(value[0], 'n') << "seed " << seed << " offset " << offset;
      }
    }
  }
}

TEST_F(LogRecovery, files_of_interrupted_work_are_cleared_away) {
  open();
  ASSERT_TRUE(append_next());
  log_.reset();
  for (const char* name : {"00000000000000000000.log.deleted", "00000000000000000009.log.cleaned", "x.tmp",
                           "00000000000000000000.index.swap"}) {
    ASSERT_TRUE(disk_.open(path(name), io::OpenMode::create));
  }
  open();
  EXPECT_FALSE(exists("00000000000000000000.log.deleted"));
  EXPECT_FALSE(exists("00000000000000000009.log.cleaned"));
  EXPECT_FALSE(exists("x.tmp"));
  EXPECT_FALSE(exists("00000000000000000000.index.swap"));
  expect_intact("leftovers");
}

TEST_F(LogRecovery, a_clean_stop_scans_nothing_and_a_crash_only_what_may_not_be_flushed) {
  open();
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(append_next());
  close_and_reopen();
  EXPECT_EQ(metrics_.recovered_bytes.value(), 0u);
  const uint64_t size = log().size_bytes();
  crash();
  EXPECT_GT(metrics_.recovered_bytes.value(), 0u);
  EXPECT_LT(metrics_.recovered_bytes.value(), size / 5);
  expect_intact("crash");
}

TEST_F(LogRecovery, another_topics_directory_is_refused) {
  open();
  ASSERT_TRUE(append_next());
  log_.reset();
  topic_id_ = Uuid::from_random(5, 6);
  const auto opened = Log::open(disk_, options());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::cluster_mismatch);
}

TEST_F(LogRecovery, an_unusable_epoch_checkpoint_is_rebuilt_from_the_batches) {
  open();
  ASSERT_TRUE(log().append_as_leader(make_batch({.values = {value(0), value(1)}}), LeaderEpoch(4)));
  ASSERT_TRUE(log().append_as_leader(make_batch({.values = {value(2), value(3)}}), LeaderEpoch(6)));
  ASSERT_TRUE(flush() && log().close_cleanly());
  ASSERT_TRUE(io::write_file_atomically(disk_, path("leader-epoch-checkpoint"), "0\nnonsense"));
  for (const bool clean : {true, false}) {
    open(clean);
    EXPECT_EQ(log().epoch_at(Offset(1)), LeaderEpoch(4));
    EXPECT_EQ(log().end_offset_for_epoch(LeaderEpoch(5)).end_offset, Offset(2));
    EXPECT_EQ(log().latest_epoch(), LeaderEpoch(6));
  }
}

TEST_F(LogRecovery, a_flush_for_whose_checkpoint_the_disk_has_no_room_is_put_off) {
  open();
  ASSERT_TRUE(append_next() && flush());
  EXPECT_EQ(log().flush_due(), std::nullopt);
  ASSERT_TRUE(append_next() && log().assign_epoch_start(LeaderEpoch(9), log().log_end()));
  disk_.set_capacity(1);
  EXPECT_FALSE(flush());
  EXPECT_FALSE(log().is_offline());
  EXPECT_EQ(log().flushed_offset(), Offset(2));
  EXPECT_EQ(log().flush_due(), clock_.now() + kFlushAgainAfter);
  disk_.set_capacity(io::sim::SimFileSystem::kNever);
  EXPECT_TRUE(flush());
  EXPECT_EQ(log().flush_due(), std::nullopt);
  const Offset end = log().log_end();
  EXPECT_EQ(log().flushed_offset(), end);
  lose_power();
  EXPECT_EQ(log().log_end(), end);
  expect_intact("a flush that was put off");
}

TEST_F(LogRecovery, a_failed_flush_takes_the_log_offline_until_it_is_reopened) {
  open();
  ASSERT_TRUE(append_next() && flush() && append_next());
  disk_.fail_flushes(true);
  EXPECT_FALSE(flush());
  disk_.fail_flushes(false);
  EXPECT_TRUE(log().is_offline());
  EXPECT_FALSE(append_next());
  EXPECT_EQ(log().flushed_offset(), Offset(2));
  EXPECT_TRUE(flush());
  EXPECT_EQ(log().flushed_offset(), Offset(2)) << "a second flush says nothing about what the first one lost";
  lose_power();
  EXPECT_GE(log().log_end(), Offset(2));
  expect_intact("failed flush");
}

}  // namespace
}  // namespace millrace::storage
