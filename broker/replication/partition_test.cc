#include "broker/replication/partition.h"

#include <gtest/gtest.h>

#include "broker/replication/replication_test_support.h"

namespace millrace::replication {
namespace {

using testing::bytes_of;
using testing::led_by;
using testing::Machine;
using testing::make_batch;
using testing::values_of;
using Values = std::vector<std::string>;

constexpr BrokerId kSelf{1};
constexpr BrokerId kOther{2};

class CountingListener final : public PartitionListener {
 public:
  void on_progress(const Partition& partition) override {
    ++calls;
    // Would deadlock if the partition's mutex were held.
    last_end = partition.offsets_of_log() ? partition.offsets_of_log()->log_end : kNoOffset;
  }
  int calls = 0;
  Offset last_end{0};
};

class PartitionTest : public ::testing::Test {
 protected:
  void SetUp() override { open({}); }

  void open(PartitionConfig config) {
    partition_.reset();
    Result<std::unique_ptr<storage::Log>> log = storage::Log::open(machine_.fs, {.directory = "/data/t-0",
                                                                                 .topic = "t",
                                                                                 .partition = PartitionIndex{0},
                                                                                 .topic_id = topic_id_,
                                                                                 .config = config.log,
                                                                                 .clock = &machine_.clock,
                                                                                 .files = &machine_.files});
    ASSERT_TRUE(log) << log.error().to_string();
    partition_ = std::make_shared<Partition>(PartitionOptions{.id = {"t", PartitionIndex{0}},
                                                              .topic_id = topic_id_,
                                                              .self = kSelf,
                                                              .config = config,
                                                              .listener = &listener_,
                                                              .flusher = &machine_.flusher,
                                                              .clock = &machine_.clock},
                                             std::move(*log));
    partition_->set_state(led_by(kSelf));
    listener_.calls = 0;
  }
  static PartitionConfig flushed_every(int64_t messages) {
    PartitionConfig config;
    config.log.flush_messages = messages;
    return config;
  }
  Result<Appended> append(Values values, Acks acks = Acks::all) { return partition_->append(make_batch(values), acks); }
  Result<FetchResult> fetch(int64_t from, size_t bytes_max = 1 << 20, bool at_least_one = true) {
    return partition_->fetch(Offset{from}, bytes_max, at_least_one, Isolation::read_uncommitted, kNoLeaderEpoch);
  }
  Values read(int64_t from) {
    const Result<FetchResult> result = fetch(from);
    EXPECT_TRUE(result) << result.error().to_string();
    return result ? values_of(bytes_of(result->read)) : Values{};
  }
  template <class T>
  static Errc code(const Result<T>& result) {
    EXPECT_FALSE(result.has_value());
    return result ? Errc::conflict : result.error().code;
  }

  CountingListener listener_;  // the machine's flusher may hold a partition that tells it
  Machine machine_;
  const Uuid topic_id_ = Uuid::from_random(3, 4);
  std::shared_ptr<Partition> partition_;
};

TEST_F(PartitionTest, an_append_is_acknowledged_and_readable_at_once_when_this_is_the_only_replica) {
  const Result<Appended> appended = append({"a", "b"});
  ASSERT_TRUE(appended);
  EXPECT_TRUE(appended->acknowledged);
  EXPECT_EQ(appended->info.first_offset, Offset{0});
  EXPECT_EQ(appended->info.last_offset, Offset{1});
  EXPECT_EQ(read(0), Values({"a", "b"}));
  EXPECT_EQ(partition_->offsets()->high_watermark, Offset{2});
}

TEST_F(PartitionTest, the_listener_hears_of_an_append_without_the_mutex_held) {
  ASSERT_TRUE(append({"a"}));
  EXPECT_EQ(listener_.calls, 1);
  EXPECT_EQ(listener_.last_end, Offset{1});
}

TEST_F(PartitionTest, with_flush_messages_of_one_nothing_is_acknowledged_or_readable_before_its_flush) {
  open(flushed_every(1));
  const Result<Appended> appended = append({"a"});
  ASSERT_TRUE(appended);
  EXPECT_FALSE(appended->acknowledged);
  EXPECT_FALSE(*partition_->is_acknowledged(*appended));
  EXPECT_EQ(read(0), Values{});
  machine_.flusher.run_due();
  EXPECT_TRUE(*partition_->is_acknowledged(*appended));
  EXPECT_EQ(read(0), Values({"a"}));
  EXPECT_EQ(listener_.last_end, Offset{1});
}

TEST_F(PartitionTest, one_flush_acknowledges_all_appends_before_it) {
  open(flushed_every(1));
  ASSERT_TRUE(append({"first"}));  // its flush also makes names durable
  machine_.flusher.run_due();
  std::vector<Appended> appended;
  for (const char* value : {"a", "b", "c"}) appended.push_back(*append({value}, Acks::leader));
  const uint64_t calls = machine_.fs.calls();
  machine_.flusher.run_due();
  for (const Appended& one : appended) EXPECT_TRUE(*partition_->is_acknowledged(one));
  EXPECT_EQ(machine_.fs.calls() - calls, 1u);
}

TEST_F(PartitionTest, a_failed_flush_fails_what_waits_for_it_and_takes_the_partition_offline) {
  open(flushed_every(1));
  const Result<Appended> appended = append({"a"});
  ASSERT_TRUE(appended);
  machine_.fs.fail_flushes(true);
  machine_.flusher.run_due();
  EXPECT_EQ(code(partition_->is_acknowledged(*appended)), Errc::storage_offline);
  EXPECT_TRUE(partition_->is_offline());
  machine_.fs.fail_flushes(false);
  EXPECT_EQ(code(append({"b"})), Errc::storage_offline);
}

TEST_F(PartitionTest, a_flush_that_a_full_disk_puts_off_acknowledges_once_there_is_room) {
  open(flushed_every(1));
  const Result<Appended> appended = append({"a"});
  ASSERT_TRUE(appended);
  machine_.fs.set_capacity(1);
  machine_.flusher.run_due();
  EXPECT_FALSE(partition_->is_offline());
  EXPECT_FALSE(*partition_->is_acknowledged(*appended));
  machine_.fs.set_capacity(io::sim::SimFileSystem::kNever);
  machine_.clock.advance(storage::kFlushAgainAfter);
  machine_.flusher.run_due();
  EXPECT_TRUE(*partition_->is_acknowledged(*appended));
}

TEST_F(PartitionTest, a_retried_batch_whose_first_copy_is_not_flushed_waits_like_the_first) {
  open(flushed_every(1));
  const auto batch = [] {
    return make_batch({.values = {"a"},
                       .producer = ProducerId{7},
                       .producer_epoch = ProducerEpoch{0},
                       .first_sequence = Sequence{0}});
  };
  ASSERT_TRUE(partition_->append(batch(), Acks::all));
  const Result<Appended> retried = partition_->append(batch(), Acks::all);
  ASSERT_TRUE(retried);
  EXPECT_TRUE(retried->info.duplicate);
  EXPECT_FALSE(retried->acknowledged);
  machine_.flusher.run_due();
  EXPECT_TRUE(*partition_->is_acknowledged(*retried));
}

TEST_F(PartitionTest, flush_ms_asks_for_one_flush_when_it_is_due) {
  PartitionConfig config;
  config.log.flush_ms = 500;
  open(config);
  ASSERT_TRUE(append({"a"}));
  ASSERT_TRUE(append({"b"}));
  machine_.flusher.run_due();
  EXPECT_EQ(partition_->offsets()->flushed, Offset{0});
  machine_.clock.advance(std::chrono::milliseconds(500));
  machine_.flusher.run_due();
  EXPECT_EQ(partition_->offsets()->flushed, Offset{2});
  ASSERT_TRUE(append({"c"}));
  machine_.clock.advance(std::chrono::milliseconds(500));
  machine_.flusher.run_due();
  EXPECT_EQ(partition_->offsets()->flushed, Offset{3});
}

TEST_F(PartitionTest, a_segment_is_flushed_when_the_next_one_begins) {
  PartitionConfig config;
  config.log.segment_bytes_max = 1000;
  open(config);
  ASSERT_TRUE(append({std::string(600, 'x')}));
  machine_.flusher.run_due();
  EXPECT_EQ(partition_->offsets()->flushed, Offset{0});
  ASSERT_TRUE(append({std::string(600, 'y')}));
  machine_.flusher.run_due();
  EXPECT_GE(partition_->offsets()->flushed, Offset{1});
}

TEST_F(PartitionTest, a_full_disk_refuses_appends_serves_reads_and_recovers_when_space_returns) {
  ASSERT_TRUE(append({"a"}));
  machine_.fs.set_capacity(1);
  EXPECT_EQ(code(append({std::string(1000, 'x')})), Errc::disk_full);
  EXPECT_EQ(read(0), Values({"a"}));
  machine_.fs.set_capacity(io::sim::SimFileSystem::kNever);
  ASSERT_TRUE(append({"b"}));
  EXPECT_EQ(read(0), Values({"a", "b"}));
}

// Told of a gap, the producer would begin a new epoch, and double what other partitions have not acknowledged yet.
TEST_F(PartitionTest, what_a_producer_sent_behind_a_refused_batch_comes_again_behind_it) {
  const auto send = [&](int32_t sequence, size_t bytes, Acks acks = Acks::all) {
    return partition_->append(make_batch({.values = {std::string(bytes, static_cast<char>('a' + sequence))},
                                          .producer = ProducerId{7},
                                          .producer_epoch = ProducerEpoch{0},
                                          .first_sequence = Sequence{sequence}}),
                              acks);
  };
  metadata::PartitionImage alone = led_by(kSelf), together = alone;
  together.replicas = alone.replicas = {kSelf, kOther};
  together.isr = {kSelf, kOther};
  PartitionConfig config;
  config.min_insync_replicas = 2;
  partition_->set_config(config);
  partition_->set_state(alone);
  EXPECT_EQ(code(send(0, 1)), Errc::not_enough_replicas);
  partition_->set_state(together);
  EXPECT_EQ(code(send(1, 1)),
            Errc::not_enough_replicas);  // the log, which knows nothing of the producer, would take it
  ASSERT_TRUE(send(0, 1));
  ASSERT_TRUE(send(1, 1));

  machine_.fs.set_capacity(1);
  EXPECT_EQ(code(send(2, 1000)), Errc::disk_full);
  machine_.fs.set_capacity(io::sim::SimFileSystem::kNever);
  EXPECT_EQ(code(send(3, 1)), Errc::disk_full);
  ASSERT_TRUE(send(2, 1000));
  ASSERT_TRUE(send(3, 1));
  EXPECT_EQ(code(send(5, 1)), Errc::out_of_order_sequence);
  EXPECT_TRUE(send(3, 1)->info.duplicate);
}

TEST_F(PartitionTest, another_leader_is_named_by_not_leader_and_waiting_appends_fail) {
  open(flushed_every(1));
  const Result<Appended> appended = append({"a"});
  ASSERT_TRUE(appended);
  partition_->set_state(led_by(kOther, LeaderEpoch{1}));
  EXPECT_EQ(code(partition_->is_acknowledged(*appended)), Errc::not_leader);
  EXPECT_EQ(code(append({"b"})), Errc::not_leader);
  EXPECT_EQ(code(fetch(0)), Errc::not_leader);
  EXPECT_EQ(partition_->leader(), kOther);
}

TEST_F(PartitionTest, an_append_of_an_earlier_term_is_not_acknowledged_by_a_later_one) {
  open(flushed_every(1));
  const Result<Appended> appended = append({"a"});
  ASSERT_TRUE(appended);
  partition_->set_state(led_by(kSelf, LeaderEpoch{1}));
  machine_.flusher.run_due();
  EXPECT_EQ(code(partition_->is_acknowledged(*appended)), Errc::not_leader);
}

TEST_F(PartitionTest, an_expected_epoch_other_than_ours_is_fenced_or_unknown) {
  partition_->set_state(led_by(kSelf, LeaderEpoch{5}));
  const auto with_epoch = [&](int32_t epoch) {
    return partition_->fetch(Offset{0}, 100, true, Isolation::read_uncommitted, LeaderEpoch{epoch});
  };
  EXPECT_EQ(code(with_epoch(4)), Errc::fenced_leader_epoch);
  EXPECT_EQ(code(with_epoch(6)), Errc::unknown_leader_epoch);
  EXPECT_TRUE(with_epoch(5));
}

TEST_F(PartitionTest, epochs_end_where_the_next_one_starts) {
  partition_->set_state(led_by(kSelf, LeaderEpoch{2}));
  ASSERT_TRUE(append({"a", "b"}));
  partition_->set_state(led_by(kSelf, LeaderEpoch{4}));
  ASSERT_TRUE(append({"c"}));
  const auto end = [&](int32_t epoch) { return partition_->end_offset_for_epoch(LeaderEpoch{epoch}, kNoLeaderEpoch); };
  EXPECT_EQ(end(2)->end_offset, Offset{2});
  EXPECT_EQ(end(3)->epoch, LeaderEpoch{2});
  EXPECT_EQ(end(4)->end_offset, Offset{3});
  EXPECT_EQ(partition_->epoch_at(Offset{1}), LeaderEpoch{2});
  EXPECT_EQ(partition_->epoch_at(Offset{2}), LeaderEpoch{4});
}

TEST_F(PartitionTest, acks_of_all_need_as_many_in_sync_replicas_as_configured) {
  PartitionConfig config;
  config.min_insync_replicas = 2;
  partition_->set_config(config);
  metadata::PartitionImage state = led_by(kSelf, LeaderEpoch{1});
  state.replicas = {kSelf, kOther};
  partition_->set_state(state);
  EXPECT_EQ(code(append({"a"}, Acks::all)), Errc::not_enough_replicas);
  EXPECT_TRUE(append({"b"}, Acks::leader));
}

TEST_F(PartitionTest, acks_of_all_never_need_more_replicas_than_there_are) {
  PartitionConfig config;
  config.min_insync_replicas = 2;
  partition_->set_config(config);
  EXPECT_TRUE(append({"a"}, Acks::all));
  EXPECT_EQ(read(0), Values({"a"}));
}

TEST_F(PartitionTest, a_fetch_outside_the_log_is_out_of_range_and_at_its_end_empty) {
  ASSERT_TRUE(append({"a"}));
  EXPECT_EQ(code(fetch(-1)), Errc::offset_out_of_range);
  EXPECT_EQ(code(fetch(2)), Errc::offset_out_of_range);
  EXPECT_EQ(read(1), Values{});
}

TEST_F(PartitionTest, the_first_batch_comes_whole_only_where_asked) {
  ASSERT_TRUE(append({std::string(500, 'x')}));
  EXPECT_EQ(fetch(0, 10, true)->read.size_bytes(), make_batch({std::string(500, 'x')}).size());
  EXPECT_EQ(fetch(0, 10, false)->read.size_bytes(), 0u);
}

TEST_F(PartitionTest, the_version_says_how_many_bytes_became_readable) {
  open(flushed_every(1));
  const PartitionVersion before = partition_->version();
  const size_t size = make_batch({"a"}).size();
  ASSERT_TRUE(append({"a"}));
  ASSERT_TRUE(append({"b"}));
  EXPECT_EQ(partition_->version().readable_bytes, before.readable_bytes);
  machine_.flusher.run_due();
  EXPECT_EQ(partition_->version().readable_bytes, before.readable_bytes + 2 * size);
  EXPECT_NE(partition_->version().changes, before.changes);
  EXPECT_EQ(partition_->version().states, before.states);
  partition_->set_state(led_by(kOther, LeaderEpoch{1}));
  EXPECT_NE(partition_->version().states, before.states);
}

TEST_F(PartitionTest, the_same_state_again_wakes_nobody) {
  partition_->set_state(led_by(kSelf));
  EXPECT_EQ(listener_.calls, 0);
}

TEST_F(PartitionTest, times_are_looked_up_below_the_high_watermark) {
  ASSERT_TRUE(append({"a", "b", "c"}));
  const auto found =
      partition_->find_by_timestamp(io::sim::SimClock::kStartWallMs + 1, Isolation::read_uncommitted, kNoLeaderEpoch);
  ASSERT_TRUE(found && found->has_value());
  EXPECT_EQ((*found)->offset, Offset{1});
  const auto latest = partition_->find_max_timestamp(Isolation::read_uncommitted, kNoLeaderEpoch);
  ASSERT_TRUE(latest && latest->has_value());
  EXPECT_EQ((*latest)->offset, Offset{2});
}

TEST_F(PartitionTest, after_it_was_abandoned_every_use_answers_unknown) {
  const Result<Appended> appended = append({"a"});
  ASSERT_TRUE(appended);
  Appended waiting = *appended;
  waiting.acknowledged = false;
  partition_->abandon();
  EXPECT_EQ(code(append({"b"})), Errc::unknown_topic_or_partition);
  EXPECT_EQ(code(fetch(0)), Errc::unknown_topic_or_partition);
  EXPECT_EQ(code(partition_->is_acknowledged(waiting)), Errc::unknown_topic_or_partition);
  EXPECT_TRUE(partition_->begin_flush().empty());
}

TEST_F(PartitionTest, bytes_of_a_fetch_stay_readable_after_the_partition_is_gone) {
  ASSERT_TRUE(append({"a"}));
  const Result<FetchResult> result = fetch(0);
  ASSERT_TRUE(result);
  partition_->abandon();
  EXPECT_EQ(values_of(bytes_of(result->read)), Values({"a"}));
}

TEST_F(PartitionTest, a_flush_limit_set_later_also_covers_what_was_appended_before) {
  ASSERT_TRUE(append({"a"}));
  partition_->set_config(flushed_every(1));
  EXPECT_EQ(partition_->offsets()->high_watermark, Offset{1});  // never goes back
  machine_.flusher.run_due();
  EXPECT_EQ(partition_->offsets()->flushed, Offset{1});
}

TEST_F(PartitionTest, a_bad_batch_is_refused_with_its_reason_and_changes_nothing) {
  Bytes corrupt = make_batch({"a"});
  corrupt.mutable_data()[corrupt.size() - 2] ^= std::byte{1};
  EXPECT_EQ(code(partition_->append(corrupt, Acks::all)), Errc::corrupt);
  EXPECT_EQ(partition_->offsets()->log_end, Offset{0});
  EXPECT_EQ(listener_.calls, 0);
}

}  // namespace
}  // namespace millrace::replication
