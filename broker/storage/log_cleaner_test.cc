#include "broker/storage/log_cleaner_test_support.h"

namespace millrace::storage {
namespace {

using protocol::BatchHeader;
using protocol::Codec;

class LogCleanerPass : public CleanerTest {
 protected:
  // Three keys, written again and again.
  void churn(int rounds, const KeyedSpec& spec = {}) {
    for (int i = 0; i < rounds; ++i) {
      const std::string value = std::to_string(i);
      put({{"a", "a" + value}, {"b", "b" + value}, {"c", "c" + value}}, spec);
    }
  }
};

TEST_F(LogCleanerPass, leaves_the_newest_record_of_each_key_at_its_offset) {
  churn(20);
  roll();
  const Offset end = log().log_end();
  const uint64_t size = log().size_bytes();
  clean();
  EXPECT_EQ(log().log_end(), end);
  EXPECT_EQ(records(),
            (Records{{57, {"a", "a19"}}, {58, {"b", "b19"}}, {59, {"c", "c19"}}, {60, {"end-of-segment", "x"}}}));
  EXPECT_LT(log().size_bytes(), size / 3);
  EXPECT_EQ(log().cleaned_to(), Offset(60));
  EXPECT_EQ(work_.records_removed, 57);
  for (int64_t from = 0; from < end.value(); ++from) {
    auto info = read(from);
    ASSERT_TRUE(info) << from;
    EXPECT_GT(bytes_of(*info).size(), 0u) << from;
  }
}

TEST_F(LogCleanerPass, merges_small_segments_up_to_the_size_of_one) {
  churn(60);
  roll();
  EXPECT_GT(files_ending(".log").size(), 15u);
  config_.segment_bytes_max = 1000;
  log().set_config(config_);
  clean();
  clean();
  put({{"d", "1"}});
  roll();
  clean();
  clean();
  EXPECT_LE(files_ending(".log").size(), 3u);
  expect_faithful("merged", log().cleaned_to().value());
}

TEST_F(LogCleanerPass, touches_neither_the_active_segment_nor_what_is_not_flushed_or_not_committed) {
  churn(20);
  roll();
  const Records before = records();
  const auto plan = log().plan_cleaning(Offset(13));
  ASSERT_TRUE(plan && *plan);
  EXPECT_LE((*plan)->sources.back().end, Offset(13));
  churn(20);
  const auto flushed = log().flushed_offset();
  const auto again = log().plan_cleaning(log().log_end());
  ASSERT_TRUE(again && *again);
  EXPECT_LE((*again)->sources.back().end, flushed);
  clean();
  expect_faithful("unflushed", flushed.value());
}

TEST_F(LogCleanerPass, keeps_a_tombstone_until_its_horizon_and_then_lets_it_go) {
  put({{"a", "1"}, {"b", "1"}});
  put({{"a", std::nullopt}});
  roll();
  clean();
  EXPECT_EQ(records_of("a"), (Records{{2, {"a", std::nullopt}}}));
  bool has_horizon = false;
  for_each_batch([&](const BatchHeader& header, const Bytes&) {
    if (header.has(protocol::kDeleteHorizonBit)) {
      has_horizon = true;
      EXPECT_EQ(header.base_timestamp, clock_.wall_ms() + 1000);
    }
  });
  EXPECT_TRUE(has_horizon);
  clock_.advance(std::chrono::milliseconds(999));
  roll();
  clean();
  EXPECT_EQ(records_of("a").size(), 1u) << "delete.retention.ms has not passed";
  clock_.advance(std::chrono::milliseconds(1));
  roll();
  clean();
  EXPECT_EQ(records_of("a").size(), 0u);
  EXPECT_EQ(records_of("b").size(), 1u);
}

TEST_F(LogCleanerPass, a_tombstone_keeps_its_own_time_when_a_horizon_is_set) {
  put({{"a", std::nullopt}, {"b", "1"}}, {.times = {clock_.wall_ms() - 50, clock_.wall_ms() - 20}});
  roll();
  clean();
  EXPECT_EQ(log().find_by_timestamp(clock_.wall_ms() - 60, log().log_end()).value()->timestamp, clock_.wall_ms() - 50);
  EXPECT_EQ(log().find_by_timestamp(clock_.wall_ms() - 40, log().log_end()).value()->timestamp, clock_.wall_ms() - 20);
}

TEST_F(LogCleanerPass, compresses_again_with_the_codec_that_a_batch_had) {
  for (const Codec codec : {Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd}) {
    fresh_disk(1);
    appended_.clear();
    churn(20, {.codec = codec});
    put({{"a", "last"}, {"d", "1"}, {"e", "1"}}, {.codec = codec});
    put({{"d", "2"}}, {.codec = codec});
    roll();
    clean();
    for_each_batch([&](const BatchHeader& header, const Bytes&) {
      if (header.record_count == 2) {
        EXPECT_EQ(header.codec(), static_cast<int>(codec));
      }
    });
    EXPECT_EQ(records_of("b"), (Records{{58, {"b", "b19"}}}));
    EXPECT_EQ(records_of("a"), (Records{{60, {"a", "last"}}}));
    EXPECT_EQ(records_of("e").size(), 1u);
    expect_faithful(std::string(protocol::name(codec)), log().cleaned_to().value());
  }
}

TEST_F(LogCleanerPass, a_producer_goes_on_with_its_sequence_after_its_records_went) {
  put({{"a", "1"}, {"b", "1"}}, {.producer = 7, .sequence = 0});
  put({{"a", "2"}, {"b", "2"}}, {.producer = 7, .sequence = 2});
  churn(10);
  roll();
  clean();
  EXPECT_FALSE(records().contains(2));
  ASSERT_TRUE(flush());
  log_.reset();
  for (const std::string& snapshot : files_ending(".snapshot")) ASSERT_TRUE(disk_.remove(snapshot));
  crash();
  EXPECT_TRUE(put({{"a", "2"}, {"b", "2"}}, {.producer = 7, .sequence = 2}).duplicate);
  EXPECT_EQ(log().append_as_leader(keyed_batch({{"a", "x"}}, {.producer = 7, .sequence = 9}), kEpoch).error().code,
            Errc::out_of_order_sequence);
  EXPECT_FALSE(put({{"a", "3"}}, {.producer = 7, .sequence = 4}).duplicate);
}

TEST_F(LogCleanerPass, times_are_found_as_in_the_records_that_are_left) {
  const Timestamp start = clock_.wall_ms();
  for (int i = 0; i < 30; ++i) {
    clock_.advance(std::chrono::milliseconds(10));
    put({{i % 10 == 5 ? "kept" + std::to_string(i) : "a", std::to_string(i)}});
  }
  roll();
  clean();
  const auto at = [&](Timestamp time) { return log().find_by_timestamp(time, log().log_end()).value().value(); };
  EXPECT_EQ(at(start).offset, Offset(5));
  EXPECT_EQ(at(start).timestamp, start + 60);
  EXPECT_EQ(at(start + 61).offset, Offset(15));
  EXPECT_EQ(at(start + 161).offset, Offset(25));
  EXPECT_EQ(at(start + 261).offset, Offset(29));
  EXPECT_EQ(log().find_max_timestamp(Offset(30)).value()->offset, Offset(29));
  close_and_reopen();
  EXPECT_EQ(at(start + 61).offset, Offset(15));
}

TEST_F(LogCleanerPass, a_log_append_time_is_that_of_a_record_which_is_there) {
  config_.timestamp_type = TimestampType::log_append_time;
  put({{"a", "1"}, {"b", "1"}, {"c", "1"}});
  put({{"a", "2"}, {"b", "2"}});
  roll();
  clean();
  EXPECT_EQ(log().find_by_timestamp(0, log().log_end()).value()->offset, Offset(2));
}

TEST_F(LogCleanerPass, waits_for_min_compaction_lag_and_is_overdue_after_max) {
  config_.compaction_lag_ms_min = 1000;
  config_.compaction_lag_ms_max = 5000;
  churn(20);
  roll();
  EXPECT_FALSE(log().plan_cleaning(log().log_end()).value());
  clock_.advance(std::chrono::milliseconds(1001));
  auto plan = log().plan_cleaning(log().log_end()).value();
  ASSERT_TRUE(plan);
  EXPECT_FALSE(plan->overdue);
  config_.min_dirty_ratio = 1;
  log().set_config(config_);
  EXPECT_FALSE(log().plan_cleaning(log().log_end()).value()->is_due());
  clock_.advance(std::chrono::milliseconds(4000));
  EXPECT_TRUE(log().plan_cleaning(log().log_end()).value()->is_due());
}

TEST_F(LogCleanerPass, an_active_segment_is_sealed_when_max_compaction_lag_has_passed) {
  config_.compaction_lag_ms_max = 5000;
  config_.segment_bytes_max = 1 << 20;
  churn(3);
  clock_.advance(std::chrono::milliseconds(5001));
  ASSERT_TRUE(log().enforce_retention(log().log_end()));
  ASSERT_TRUE(flush());
  EXPECT_TRUE(log().plan_cleaning(log().log_end()).value()->is_due());
  clean();
  EXPECT_EQ(records().size(), 3u);
}

TEST_F(LogCleanerPass, is_due_by_the_share_of_dirty_bytes) {
  churn(20);
  roll();
  EXPECT_EQ(log().plan_cleaning(log().log_end()).value()->dirty_ratio(), 1);
  clean();
  EXPECT_FALSE(log().plan_cleaning(log().log_end()).value()) << "all is clean";
  for (int i = 0; i < 200; ++i) put({{"k" + std::to_string(i), std::string(100, 'v')}});
  roll();
  clean();
  put({{"a", "again"}});
  roll();
  const auto plan = log().plan_cleaning(log().log_end()).value();
  EXPECT_LT(plan->dirty_ratio(), 0.1);
  EXPECT_FALSE(plan->is_due());
}

TEST_F(LogCleanerPass, a_reader_that_holds_an_old_segment_goes_on_reading_it) {
  config_.segment_bytes_max = 100'000;
  for (int i = 0; i < 30; ++i) put({{"a", std::string(1000, static_cast<char>('a' + i % 26))}});
  roll();
  const auto held = read(0, 30'000).value();
  ASSERT_TRUE(std::holds_alternative<SourceRange>(held.data));
  const Bytes before = bytes_of(held);
  clean();
  for (const std::string& file : deleted_) ASSERT_TRUE(disk_.remove(file));
  EXPECT_EQ(bytes_of(held), before);
  EXPECT_EQ(records_of("a").size(), 1u);
}

TEST_F(LogCleanerPass, a_map_that_is_full_cleans_what_it_covers_and_the_rest_next_time) {
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 40; ++i) put({{"k" + std::to_string(i), std::to_string(round)}});
  }
  roll();
  int passes = 0;
  while (log().cleaned_to() < log().log_end().previous()) {
    const Offset before = log().cleaned_to();
    clean(size_t{24} * 30);
    ASSERT_GT(log().cleaned_to(), before);
    expect_faithful("pass " + std::to_string(passes), log().cleaned_to().value());
    ASSERT_LT(++passes, 100);
  }
  EXPECT_GT(passes, 3);
  EXPECT_EQ(records().size(), 41u);
}

TEST_F(LogCleanerPass, a_batch_that_a_horizon_makes_too_large_is_split) {
  config_.segment_bytes_max = 100'000;
  std::vector<KeyValue> tombstones;
  for (int i = 0; i < 500; ++i) tombstones.push_back({"k" + std::to_string(i), std::nullopt});
  const Bytes batch = keyed_batch(tombstones);
  config_.batch_bytes_max = static_cast<int32_t>(batch.size());
  put(tombstones, {.producer = 5, .sequence = 10});
  roll();
  clean();
  int batches = 0;
  for_each_batch([&](const BatchHeader& header, const Bytes& bytes) {
    EXPECT_LE(bytes.size(), batch.size());
    if (header.producer_id == ProducerId(5)) {
      EXPECT_EQ(header.base_sequence.value(), 10 + header.base_offset.value());
      ++batches;
    }
  });
  EXPECT_EQ(batches, 2);
  expect_faithful("split", 0);
}

TEST_F(LogCleanerPass, a_damaged_source_ends_the_pass_and_leaves_the_log_as_it_was) {
  churn(20);
  roll();
  log_.reset();
  disk_.flip_bit(path("00000000000000000000.log"), uint64_t{8} * 100);
  recovery_point_ = Offset(61);
  open();
  const uint64_t size = log().size_bytes();
  EXPECT_EQ(try_clean().error().code, Errc::corrupt);
  EXPECT_EQ(log().size_bytes(), size);
  EXPECT_FALSE(log().is_offline());
  EXPECT_TRUE(files_ending(".cleaned").empty());
}

TEST_F(LogCleanerPass, what_was_removed_meanwhile_is_not_brought_back) {
  churn(20);
  roll();
  auto plan = log().plan_cleaning(log().log_end()).value();
  LogCleaner cleaner(disk_, *plan, {});
  while (cleaner.step(1).value() != LogCleaner::Step::swap) continue;
  ASSERT_TRUE(log().commit_cleaned(cleaner.plan(), cleaner.cleaned()));
  const Offset gone = plan->sources[2].base;
  ASSERT_TRUE(log().advance_log_start(gone));
  EXPECT_EQ(log().install_cleaned(cleaner.plan(), cleaner.cleaned()).error().code, Errc::conflict);
  EXPECT_EQ(log().commit_cleaned(cleaner.plan(), cleaner.cleaned()).error().code, Errc::conflict);
  ASSERT_TRUE(flush());
  lose_power();
  EXPECT_GE(log().log_start(), gone);
  EXPECT_TRUE(files_ending(".swap").empty());
}

TEST_F(LogCleanerPass, a_truncation_drops_what_is_being_compacted) {
  churn(20);
  roll();
  auto plan = log().plan_cleaning(log().log_end()).value();
  LogCleaner cleaner(disk_, *plan, {});
  while (cleaner.step(1).value() != LogCleaner::Step::swap) continue;
  ASSERT_TRUE(log().commit_cleaned(cleaner.plan(), cleaner.cleaned()));
  ASSERT_TRUE(log().truncate_to(Offset(1)));
  EXPECT_EQ(log().install_cleaned(cleaner.plan(), cleaner.cleaned()).error().code, Errc::conflict);
  lose_power();
  EXPECT_EQ(log().log_end(), Offset(0));
}

TEST_F(LogCleanerPass, records_without_a_key_are_refused_and_go_where_they_are_from_before) {
  config_.compact = false;
  append({"no key", "no key"});
  put({{"a", "1"}});
  config_.compact = true;
  log().set_config(config_);
  EXPECT_EQ(try_append({.values = {"x"}}).error().code, Errc::invalid_record);
  roll();
  clean();
  EXPECT_EQ(records(), (Records{{2, {"a", "1"}}, {3, {"end-of-segment", "x"}}}));
  EXPECT_EQ(work_.keyless_removed, 2);
}

TEST_F(LogCleanerPass, control_batches_stay_as_they_are) {
  put({{"a", "1"}});
  Bytes control = protocol::RecordBatchBuilder()
                      .producer(ProducerId(4), ProducerEpoch(0), kNoSequence)
                      .attributes(protocol::kControlBit | protocol::kTransactionalBit)
                      .add(clock_.wall_ms(), as_bytes("mark"), as_bytes("x"))
                      .build();
  protocol::set_base_offset(control.mutable_data(), Offset(1));
  protocol::set_leader_epoch(control.mutable_data(), kEpoch);
  ASSERT_TRUE(log().append_as_follower(control));
  put({{"mark", "2"}});
  put({{"mark", "3"}});
  roll();
  clean();
  int controls = 0;
  for_each_batch([&](const BatchHeader& header, const Bytes& batch) {
    if (!header.has(protocol::kControlBit)) return;
    ++controls;
    EXPECT_EQ(batch, control);
  });
  EXPECT_EQ(controls, 1);
}

TEST_F(LogCleanerPass, a_follower_takes_what_a_leader_compacted_behind_its_end) {
  churn(20);
  roll();
  clean();
  Bytes compacted;
  for_each_batch([&](const BatchHeader& header, const Bytes& batch) {
    if (header.base_offset == Offset(0)) compacted = Bytes::copy_of(batch.view());
  });
  const BatchHeader bridge = BatchHeader::decode(compacted.data());
  ASSERT_EQ(bridge.record_count, 0);
  ASSERT_GT(bridge.last_offset(), Offset(3));
  const KeyedSpec spec;
  fresh_disk(2);
  put({{"a", "a0"}, {"b", "b0"}, {"c", "c0"}}, spec);
  ASSERT_TRUE(log().append_as_follower(compacted));
  EXPECT_EQ(log().log_end(), bridge.next_offset());
  EXPECT_EQ(records().size(), 3u);
}

TEST_F(LogCleanerPass, a_segment_without_records_does_not_hold_up_retention) {
  churn(20);
  roll();
  config_.segment_bytes_max = 1;
  log().set_config(config_);
  clean();
  clock_.advance(std::chrono::milliseconds(500));
  crash();  // when segments were made is forgotten
  config_.delete_old = true;
  config_.retention_ms = 400;
  log().set_config(config_);
  EXPECT_GT(log().enforce_retention(log().log_end())->segments, 4u);
  EXPECT_EQ(log().log_start(), log().log_end());
}

TEST_F(LogCleanerPass, leader_epochs_can_be_rebuilt_from_what_is_left) {
  for (int epoch = 3; epoch < 8; ++epoch) churn(4, {.epoch = LeaderEpoch(epoch)});
  roll();
  std::map<int64_t, LeaderEpoch> before;
  for (int64_t at = 0; at < log().log_end().value(); ++at) before[at] = log().epoch_at(Offset(at));
  clean();
  ASSERT_TRUE(flush());
  log_.reset();
  ASSERT_TRUE(disk_.remove(path("leader-epoch-checkpoint")));
  recovery_point_ = Offset(0);
  crash();
  for (const auto& [at, epoch] : before) {
    if (at < 60) {
      EXPECT_EQ(log().epoch_at(Offset(at)), epoch) << at;
    }
  }
}

}  // namespace
}  // namespace millrace::storage
