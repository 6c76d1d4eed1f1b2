// A partition that follows, and what a leader answers to where a follower stands.

#include <gtest/gtest.h>

#include "broker/io/sim/sim_event_loop.h"
#include "broker/replication/replication_test_support.h"

namespace millrace::replication {
namespace {

using testing::make_batch;
using testing::values_of;
using Values = std::vector<std::string>;

constexpr BrokerId kSelf{1}, kOther{2};

// One replica as it goes through leader epochs; its partner is what the test says.
class PartitionFollowerTest : public ::testing::Test {
 protected:
  PartitionFollowerTest() { open({}); }
  ~PartitionFollowerTest() override {
    partition_->abandon();
    slots_->take();
    feeds_->take();
  }

  void open(const PartitionConfig& config) {
    Result<std::unique_ptr<storage::Log>> log = storage::Log::open(machine_.fs, {.directory = "/data/t-0",
                                                                                 .topic = "t",
                                                                                 .partition = PartitionIndex{0},
                                                                                 .topic_id = topic_id_,
                                                                                 .config = config.log,
                                                                                 .clock = &machine_.clock,
                                                                                 .files = &machine_.files});
    ENSURE(log);
    partition_ = std::make_shared<Partition>(PartitionOptions{.id = {"t", PartitionIndex{0}},
                                                              .topic_id = topic_id_,
                                                              .self = kSelf,
                                                              .config = config,
                                                              .flusher = &machine_.flusher,
                                                              .clock = &machine_.clock,
                                                              .tail_budget = &budget_},
                                             std::move(*log));
  }
  void image(BrokerId leader, int32_t epoch, std::vector<BrokerId> isr = {kSelf, kOther}) {
    metadata::PartitionImage state;
    state.leader = leader;
    state.leader_epoch = LeaderEpoch{epoch};
    state.partition_epoch = ++partition_epoch_;
    state.replicas = {kSelf, kOther};
    state.isr = std::move(isr);
    partition_->set_state(state);
    epoch_ = LeaderEpoch{epoch};
    if (leader == kSelf) return;
    slot_ = std::make_shared<FollowerSlot>(partition_, epoch_, slots_);
    ASSERT_TRUE(partition_->follow(slot_));
  }
  void lead_and_append(int32_t epoch, int records) {
    image(kSelf, epoch);
    for (int i = 0; i < records; ++i) ASSERT_TRUE(partition_->append(make_batch({"own"}), Acks::leader));
  }
  static Bytes batch_at(int64_t offset, int32_t epoch, Values values = {"a"}) {
    Bytes batch = make_batch(std::move(values));
    store_big_endian<int64_t>(batch.mutable_data(), offset);
    store_big_endian<int32_t>(batch.mutable_data() + 12, epoch);
    return batch;
  }
  Result<Ack::Entry> receive(std::vector<Bytes> batches, int64_t high_watermark, int64_t log_start = 0) {
    std::vector<std::string> removed;
    return partition_->append_from_leader(epoch_,
                                          {.leader_epoch = epoch_,
                                           .high_watermark = Offset{high_watermark},
                                           .log_start = Offset{log_start},
                                           .batches = std::move(batches)},
                                          removed);
  }
  Result<bool> truncate(int32_t epoch, int64_t to) {
    return partition_->follow_answer(
        epoch_, {.action = Answer::Action::truncate, .epoch = LeaderEpoch{epoch}, .at = Offset{to}});
  }
  PartitionOffsets at() { return *partition_->offsets_of_log(); }

  // The leader's side.
  FeedStart subscribe(Subscribe::Entry entry) {
    entry.leader_epoch = epoch_;
    feed_ = std::make_shared<Feed>(partition_, kOther, SubscriptionNumber{++number_}, feeds_, pulse_);
    return partition_->begin_feed(feed_, entry, 7);
  }
  static Subscribe::Entry stands_at(int64_t log_end, int32_t last_epoch) {
    return {.log_end = Offset{log_end}, .flushed = Offset{log_end}, .last_epoch = LeaderEpoch{last_epoch}};
  }

  TailBudget budget_;
  testing::Machine machine_;
  io::sim::SimScheduler scheduler_{machine_.clock, 1};
  std::unique_ptr<io::sim::SimEventLoop> loop_ = scheduler_.make_loop();
  std::shared_ptr<WakeQueue<FollowerSlot>> slots_ = std::make_shared<WakeQueue<FollowerSlot>>(*loop_);
  std::shared_ptr<WakeQueue<Feed>> feeds_ = std::make_shared<WakeQueue<Feed>>(*loop_);
  std::shared_ptr<LinkPulse> pulse_ = std::make_shared<LinkPulse>();
  const Uuid topic_id_ = Uuid::from_random(3, 4);
  std::shared_ptr<Partition> partition_;
  std::shared_ptr<FollowerSlot> slot_;
  std::shared_ptr<Feed> feed_;
  LeaderEpoch epoch_;
  int32_t partition_epoch_ = 0;
  uint32_t number_ = 0;
};

TEST_F(PartitionFollowerTest, what_a_crash_left_unflushed_is_flushed_when_the_leader_is_followed) {
  lead_and_append(1, 3);
  PartitionConfig config;
  config.log.flush_messages = 1;
  open(config);
  EXPECT_EQ(at().flushed, Offset{0});
  image(kOther, 2);
  machine_.flusher.run_due();
  EXPECT_EQ(at().flushed, Offset{3}) << "the leader may have nothing more to send";
}

TEST_F(PartitionFollowerTest, it_shows_no_more_than_it_has_however_far_the_leader_is) {
  image(kOther, 1);
  ASSERT_TRUE(receive({batch_at(0, 1), batch_at(1, 1)}, 100));
  EXPECT_EQ(at().high_watermark, Offset{2});
  std::vector<std::string> removed;
  ASSERT_TRUE(partition_->learn({.leader_epoch = epoch_, .high_watermark = Offset{50}}, removed));
  EXPECT_EQ(at().high_watermark, Offset{2});
}

TEST_F(PartitionFollowerTest, a_leader_of_another_epoch_is_not_listened_to) {
  image(kOther, 1);
  image(kOther, 2);
  epoch_ = LeaderEpoch{1};
  EXPECT_EQ(receive({batch_at(0, 1)}, 0).error().code, Errc::fenced_leader_epoch);
  EXPECT_EQ(truncate(0, 0).error().code, Errc::fenced_leader_epoch);
  lead_and_append(3, 1);
  EXPECT_EQ(receive({batch_at(1, 3)}, 0).error().code, Errc::fenced_leader_epoch);
  EXPECT_EQ(at().log_end, Offset{1});
}

TEST_F(PartitionFollowerTest, damaged_or_misplaced_records_are_refused) {
  image(kOther, 1);
  Bytes damaged = batch_at(0, 1);
  damaged.mutable_data()[62] ^= std::byte{1};
  EXPECT_EQ(receive({damaged}, 0).error().code, Errc::corrupt);
  EXPECT_EQ(receive({batch_at(0, 5)}, 0).error().code, Errc::corrupt) << "an epoch that the leader does not know";
  EXPECT_EQ(receive({batch_at(1, 1)}, 0).error().code, Errc::invalid_argument);
  EXPECT_EQ(at().log_end, Offset{0});
}

TEST_F(PartitionFollowerTest, it_cuts_where_the_leaders_epoch_ends_or_where_its_own_does) {
  lead_and_append(1, 5);
  lead_and_append(3, 5);
  image(kOther, 4);
  EXPECT_EQ(partition_->position(epoch_)->last_epoch, LeaderEpoch{3});
  ASSERT_TRUE(truncate(2, 8));  // the leader's epoch 2 ends at 8; our largest below 3 is 1, which ends at 5
  EXPECT_EQ(at().log_end, Offset{5});
  EXPECT_EQ(partition_->position(epoch_)->last_epoch, LeaderEpoch{1});
  ASSERT_TRUE(truncate(1, 3));
  EXPECT_EQ(at().log_end, Offset{3});
}

TEST_F(PartitionFollowerTest, what_is_committed_is_never_cut) {
  image(kOther, 1);
  ASSERT_TRUE(receive({batch_at(0, 1), batch_at(1, 1), batch_at(2, 1)}, 2));
  image(kOther, 2);
  EXPECT_EQ(truncate(1, 1).error().code, Errc::policy_violation);
  EXPECT_EQ(partition_->follow_answer(epoch_, {.action = Answer::Action::start_over, .at = Offset{0}}).error().code,
            Errc::policy_violation);
  EXPECT_EQ(at().log_end, Offset{3});
  ASSERT_TRUE(truncate(1, 2));
  EXPECT_EQ(at().log_end, Offset{2});
}

TEST_F(PartitionFollowerTest, an_epoch_in_which_it_led_without_a_record_does_not_stand_in_the_way_of_older_records) {
  lead_and_append(1, 2);
  image(kSelf, 5);
  image(kOther, 6);
  EXPECT_EQ(partition_->position(epoch_)->last_epoch, LeaderEpoch{1});
  EXPECT_TRUE(receive({batch_at(2, 4)}, 0));
}

TEST_F(PartitionFollowerTest, starting_over_goes_on_at_the_leaders_start) {
  image(kOther, 1);
  ASSERT_TRUE(receive({batch_at(0, 1)}, 1));
  ASSERT_TRUE(partition_->follow_answer(
      epoch_, {.action = Answer::Action::start_over, .at = Offset{100}, .leader_log_start = Offset{100}}));
  EXPECT_EQ(at().log_start, Offset{100});
  EXPECT_EQ(at().high_watermark, Offset{100});
  EXPECT_TRUE(receive({batch_at(100, 1)}, 101, 100));
}

TEST_F(PartitionFollowerTest, a_leader_accepts_only_a_beginning_of_its_log) {
  lead_and_append(1, 5);
  lead_and_append(3, 5);
  EXPECT_TRUE(subscribe(stands_at(10, 3)).is_accepted());
  EXPECT_TRUE(subscribe(stands_at(5, 1)).is_accepted());
  EXPECT_TRUE(subscribe(stands_at(0, -1)).is_accepted());
  const auto answer = [&](int64_t log_end, int32_t last_epoch) {
    const FeedStart start = subscribe(stands_at(log_end, last_epoch));
    EXPECT_TRUE(start.answer);
    return std::pair(start.answer->epoch.value(), start.answer->at.value());
  };
  EXPECT_EQ(answer(7, 1), std::pair(1, int64_t{5}));
  EXPECT_EQ(answer(11, 3), std::pair(3, int64_t{10}));
  EXPECT_EQ(answer(7, 2), std::pair(1, int64_t{5}));
}

TEST_F(PartitionFollowerTest, a_leader_refuses_followers_of_other_epochs_and_brokers_without_a_replica) {
  lead_and_append(3, 1);
  const auto refusal = [&](int32_t epoch) {
    epoch_ = LeaderEpoch{epoch};
    return subscribe(stands_at(0, -1)).refusal;
  };
  EXPECT_EQ(refusal(2), Refusal::Reason::fenced_epoch);
  EXPECT_EQ(refusal(4), Refusal::Reason::unknown_epoch);
  image(kOther, 4);
  EXPECT_EQ(refusal(4), Refusal::Reason::not_leader);
}

TEST_F(PartitionFollowerTest, acknowledgements_of_what_was_not_sent_break_the_rules_and_old_ones_mean_nothing) {
  lead_and_append(1, 3);
  ASSERT_TRUE(subscribe(stands_at(0, -1)).is_accepted());
  const std::shared_ptr<Feed> first = feed_;
  EXPECT_EQ(partition_->acknowledge(*first, {.log_end = Offset{2}}).error().code, Errc::malformed);
  ASSERT_TRUE(partition_->take(*first, 1 << 20, true, false));
  EXPECT_TRUE(partition_->acknowledge(*first, {.log_end = Offset{1}}));
  EXPECT_EQ(at().high_watermark, Offset{1});
  ASSERT_TRUE(subscribe(stands_at(1, 1)).is_accepted());
  EXPECT_TRUE(partition_->acknowledge(*first, {.log_end = Offset{3}}));
  EXPECT_EQ(at().high_watermark, Offset{1});
}

TEST_F(PartitionFollowerTest, new_records_come_from_memory_and_older_ones_from_the_log) {
  lead_and_append(1, 2);
  ASSERT_TRUE(subscribe(stands_at(0, -1)).is_accepted());
  EXPECT_EQ(partition_->take(*feed_, 1 << 20, true, true).error().code, Errc::would_block);
  EXPECT_TRUE(partition_->take(*feed_, 1 << 20, true, false)->stored);
  ASSERT_TRUE(partition_->append(make_batch({"new"}), Acks::leader));
  const Result<FeedData> taken = partition_->take(*feed_, 1 << 20, true, true);
  ASSERT_TRUE(taken);
  EXPECT_EQ(values_of(taken->batches.front()), Values({"new"}));
  EXPECT_EQ(budget_.used(), 0u) << "nobody else waits for it";
}

}  // namespace
}  // namespace millrace::replication
