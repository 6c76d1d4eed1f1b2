#include "broker/replication/leader_state.h"

#include <gtest/gtest.h>

#include "broker/io/sim/sim_event_loop.h"
#include "broker/replication/replication_test_support.h"

namespace millrace::replication {
namespace {

constexpr BrokerId kSelf{1}, kA{2}, kB{3};
constexpr Duration kLagMax = std::chrono::seconds(30);

class LeaderStateTest : public ::testing::Test {
 protected:
  LeaderStateTest() { image_.isr = image_.replicas; }

  static metadata::PartitionImage image_of(std::vector<BrokerId> replicas, std::vector<BrokerId> isr, int32_t epoch) {
    metadata::PartitionImage image;
    image.leader = kSelf;
    image.leader_epoch = LeaderEpoch{5};
    image.partition_epoch = epoch;
    image.replicas = std::move(replicas);
    image.isr = std::move(isr);
    return image;
  }
  void set_isr(std::vector<BrokerId> isr) {
    image_ = image_of(image_.replicas, std::move(isr), image_.partition_epoch + 1);
    state_.set_image(image_, end_, clock_.now());
  }
  void subscribe(BrokerId broker, int64_t log_end) {
    LeaderState::Follower& follower = *state_.find(broker);
    follower.feed = std::make_shared<Feed>(nullptr, broker, SubscriptionNumber{1}, queue_, pulse_);
    follower.broker_epoch = 40 + broker.value();
    state_.begin(follower, {.log_end = Offset{log_end}, .flushed = Offset{log_end}}, end_, high_watermark(), false,
                 clock_.now());
  }
  void ack(BrokerId broker, int64_t log_end) { ack(broker, log_end, log_end); }
  void ack(BrokerId broker, int64_t log_end, int64_t flushed) {
    state_.acknowledged(*state_.find(broker), {.log_end = Offset{log_end}, .flushed = Offset{flushed}}, end_, false,
                        clock_.now());
  }
  void append(int64_t to) {
    state_.appended({end_, Offset{to}, Bytes::copy_of("batch")}, clock_.now());
    end_ = Offset{to};
  }
  Offset high_watermark(bool flush = false, int min_insync = 1) {
    return state_.high_watermark({end_, end_}, flush, min_insync);
  }
  std::optional<IsrChange> look(int64_t high_watermark = 0) {
    return state_.next_change({.topic_id = topic_,
                               .partition = PartitionIndex{0},
                               .own_broker_epoch = 41,
                               .high_watermark = Offset{high_watermark},
                               .flush_every_record = false,
                               .now = clock_.now(),
                               .limits = {.following = kLagMax, .not_following = not_following_}},
                              [this](BrokerId broker, int64_t) { return broker != fenced_; });
  }
  static std::vector<BrokerId> members(const std::optional<IsrChange>& change) {
    std::vector<BrokerId> brokers;
    if (!change) return brokers;
    for (const IsrChange::Member& member : change->isr) brokers.push_back(member.broker);
    return brokers;
  }
  using Brokers = std::vector<BrokerId>;

  io::sim::SimClock clock_;
  io::sim::SimScheduler scheduler_{clock_, 1};
  std::unique_ptr<io::sim::SimEventLoop> loop_ = scheduler_.make_loop();
  std::shared_ptr<WakeQueue<Feed>> queue_ = std::make_shared<WakeQueue<Feed>>(*loop_);
  std::shared_ptr<LinkPulse> pulse_ = std::make_shared<LinkPulse>();
  TailBudget budget_;
  Uuid topic_ = Uuid::from_random(1, 2);
  BrokerId fenced_ = kNoBroker;
  Duration not_following_ = kLagMax;
  Offset end_{10};
  metadata::PartitionImage image_ = image_of({kSelf, kA, kB}, {}, 0);
  LeaderState state_{image_of({kSelf, kA, kB}, {kSelf, kA, kB}, 0), kSelf, &budget_, Offset{10}, clock_.now()};
};

TEST_F(LeaderStateTest, the_high_watermark_is_unknown_until_all_members_have_said_where_they_are) {
  subscribe(kA, 10);
  EXPECT_EQ(high_watermark(), kNoOffset);
  subscribe(kB, 7);
  EXPECT_EQ(high_watermark(), Offset{7});
}

TEST_F(LeaderStateTest, a_member_is_unheard_when_it_is_not_subscribed_or_its_link_is_silent) {
  subscribe(kA, 10);
  pulse_->beat(clock_.now());
  EXPECT_TRUE(state_.has_unheard_member(clock_.now() - kLagMax)) << "B is not subscribed";
  subscribe(kB, 10);
  EXPECT_FALSE(state_.has_unheard_member(clock_.now() - kLagMax));
  EXPECT_TRUE(state_.has_unheard_member(clock_.now()));
  set_isr({kSelf});
  EXPECT_FALSE(state_.has_unheard_member(clock_.now())) << "no member is left but this broker";
}

TEST_F(LeaderStateTest, a_replica_that_may_have_been_taken_in_counts_as_a_member_that_has_to_be_heard) {
  set_isr({kSelf});
  subscribe(kA, 10);
  ASSERT_EQ(members(look(10)), Brokers({kSelf, kA}));
  EXPECT_TRUE(state_.has_unheard_member(clock_.now()));
}

TEST_F(LeaderStateTest, it_is_the_least_of_the_members_and_never_beyond_the_own_log) {
  subscribe(kA, 10);
  subscribe(kB, 10);
  append(20);
  EXPECT_EQ(high_watermark(), Offset{10});
  ack(kA, 20);
  EXPECT_EQ(high_watermark(), Offset{10});
  ack(kB, 15);
  EXPECT_EQ(high_watermark(), Offset{15});
}

TEST_F(LeaderStateTest, with_flush_messages_of_one_what_members_flushed_counts) {
  subscribe(kA, 10);
  subscribe(kB, 10);
  append(20);
  ack(kA, 20, 20);
  ack(kB, 20, 12);
  EXPECT_EQ(high_watermark(false), Offset{20});
  EXPECT_EQ(high_watermark(true), Offset{12});
}

TEST_F(LeaderStateTest, it_stays_while_fewer_are_in_sync_than_required_but_asks_for_no_more_than_there_are_replicas) {
  subscribe(kA, 10);
  set_isr({kSelf});
  EXPECT_EQ(high_watermark(false, 2), kNoOffset);
  set_isr({kSelf, kA});
  EXPECT_EQ(high_watermark(false, 2), Offset{10});
  image_.replicas = {kSelf};
  set_isr({kSelf});
  EXPECT_EQ(high_watermark(false, 2), Offset{10});
}

TEST_F(LeaderStateTest, a_member_that_is_asked_to_leave_counts_until_it_has_left) {
  subscribe(kA, 10);
  append(20);
  ack(kA, 20);
  clock_.advance(kLagMax + std::chrono::seconds(1));
  EXPECT_EQ(members(look()), Brokers({kSelf, kA}));
  EXPECT_EQ(high_watermark(), kNoOffset);
  set_isr({kSelf, kA});
  EXPECT_EQ(high_watermark(), Offset{20});
}

TEST_F(LeaderStateTest, a_replica_that_is_asked_to_join_counts_at_once_and_no_longer_when_it_is_refused) {
  set_isr({kSelf, kA});
  subscribe(kA, 10);
  subscribe(kB, 10);
  const std::optional<IsrChange> change = look(10);
  EXPECT_EQ(members(change), Brokers({kSelf, kA, kB}));
  append(20);
  ack(kA, 20);
  EXPECT_EQ(high_watermark(), Offset{10});
  state_.answered(*change, IsrOutcome::refused, clock_.now());
  EXPECT_EQ(high_watermark(), Offset{20});
}

TEST_F(LeaderStateTest, a_proposal_counts_after_its_answer_until_the_image_shows_what_became_of_it) {
  for (const IsrOutcome outcome : {IsrOutcome::committed, IsrOutcome::stale, IsrOutcome::unknown}) {
    set_isr({kSelf, kA});
    subscribe(kA, end_.value());
    subscribe(kB, end_.value());
    const std::optional<IsrChange> change = look(end_.value());
    const Offset before = end_;
    append(end_.value() + 10);
    ack(kA, end_.value());
    state_.answered(*change, outcome, clock_.now());
    EXPECT_EQ(high_watermark(), before);
  }
}

TEST_F(LeaderStateTest,
       an_attempt_of_unknown_fate_is_repeated_as_it_was_and_a_refusal_behind_it_is_not_believed_at_once) {
  set_isr({kSelf, kA});
  subscribe(kA, 10);
  subscribe(kB, 10);
  const std::optional<IsrChange> change = look(10);
  EXPECT_EQ(look(10), std::nullopt) << "one at a time";
  state_.answered(*change, IsrOutcome::unknown, clock_.now());
  EXPECT_EQ(look(10), change);
  state_.answered(*change, IsrOutcome::refused, clock_.now());
  EXPECT_TRUE(state_.has_pending());
  EXPECT_EQ(look(10), change);
  clock_.advance(kUncertainFor);
  state_.answered(*change, IsrOutcome::refused, clock_.now());
  EXPECT_FALSE(state_.has_pending());
}

TEST_F(LeaderStateTest, a_replica_joins_when_it_has_the_high_watermark_and_the_start_of_the_epoch_and_is_not_fenced) {
  set_isr({kSelf, kA});
  subscribe(kA, 10);
  subscribe(kB, 9);
  EXPECT_EQ(look(9), std::nullopt) << "the epoch starts at 10";
  append(20);
  ack(kB, 15);
  EXPECT_EQ(look(16), std::nullopt);
  fenced_ = kB;
  EXPECT_EQ(look(15), std::nullopt);
  fenced_ = kNoBroker;
  const std::optional<IsrChange> change = look(15);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->isr.back(), (IsrChange::Member{kB, 43}));
  EXPECT_EQ(change->isr.front(), (IsrChange::Member{kSelf, 41}));
}

TEST_F(LeaderStateTest, a_level_member_never_lags_however_long_nothing_happens) {
  subscribe(kA, 10);
  subscribe(kB, 10);
  clock_.advance(std::chrono::hours(10));
  EXPECT_FALSE(state_.has_member_behind());
  EXPECT_EQ(look(10), std::nullopt);
  append(20);
  EXPECT_TRUE(state_.has_member_behind());
  EXPECT_EQ(look(10), std::nullopt) << "it had all a moment ago";
}

TEST_F(LeaderStateTest, a_member_that_keeps_up_with_a_moving_end_does_not_lag) {
  subscribe(kA, 10);
  subscribe(kB, 10);
  for (int64_t end = 20; end < 2000; end += 10) {
    append(end);
    ack(kA, end - 10);  // always one behind
    ack(kB, end - 10);
    clock_.advance(std::chrono::seconds(5));
    ASSERT_EQ(look(), std::nullopt);
  }
}

TEST_F(LeaderStateTest, a_member_whose_link_is_down_lags_since_then) {
  subscribe(kA, 10);
  subscribe(kB, 10);
  state_.end(*state_.find(kB), end_, clock_.now(), false);
  clock_.advance(kLagMax);
  EXPECT_EQ(look(), std::nullopt);
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(members(look()), Brokers({kSelf, kA}));
}

TEST_F(LeaderStateTest, a_member_that_follows_on_no_stream_leaves_sooner_than_one_that_lags) {
  subscribe(kA, 10);
  subscribe(kB, 10);
  append(20);
  state_.end(*state_.find(kB), end_, clock_.now(), false);
  not_following_ = std::chrono::seconds(4);
  clock_.advance(std::chrono::seconds(5));
  EXPECT_EQ(members(look()), Brokers({kSelf, kA}));
}

TEST_F(LeaderStateTest, a_member_that_comes_back_with_less_than_is_committed_or_asks_to_leave_goes_at_once) {
  subscribe(kA, 10);
  subscribe(kB, 10);
  state_.begin(*state_.find(kB), {.log_end = Offset{4}, .flushed = Offset{4}}, end_, Offset{10}, false, clock_.now());
  EXPECT_TRUE(state_.has_lost_member());
  EXPECT_EQ(members(look(10)), Brokers({kSelf, kA}));
  set_isr({kSelf, kA});
  state_.end(*state_.find(kA), end_, clock_.now(), true);
  EXPECT_EQ(members(look(10)), Brokers({kSelf}));
}

TEST_F(LeaderStateTest, the_tail_keeps_what_some_follower_has_not_been_sent_and_nothing_for_those_far_behind) {
  append(20);
  EXPECT_EQ(budget_.used(), 0u) << "nobody follows";
  subscribe(kA, 20);
  state_.find(kA)->feed->taken = Offset{20};
  append(30);
  EXPECT_NE(state_.tail().find(Offset{20}), nullptr);
  EXPECT_EQ(budget_.used(), kTailBatchBytesMin);
  state_.find(kA)->feed->taken = Offset{30};
  state_.release_tail();
  EXPECT_EQ(budget_.used(), 0u);
  state_.find(kA)->feed->taken = Offset{25};
  append(40);
  EXPECT_EQ(budget_.used(), 0u);
}

}  // namespace
}  // namespace millrace::replication
