#include "broker/replication/refused_batches.h"

#include <limits>

#include <gtest/gtest.h>

namespace millrace::replication {
namespace {

constexpr Errc kFull = Errc::disk_full;
constexpr Errc kTooFew = Errc::not_enough_replicas;

protocol::BatchHeader batch(int32_t sequence, int16_t epoch = 0, int64_t producer = 7) {
  return {
      .producer_id = ProducerId(producer), .producer_epoch = ProducerEpoch(epoch), .base_sequence = Sequence(sequence)};
}

class RefusedBatchesTest : public ::testing::Test {
 protected:
  void refuse(const protocol::BatchHeader& one, Errc reason = kFull) { refused_.add(one, reason, next_, now_); }
  std::optional<Errc> reason_before(const protocol::BatchHeader& one) {
    return refused_.reason_before(one, next_, now_);
  }

  RefusedBatches refused_;
  std::optional<Sequence> next_ = Sequence(6);  // what the log expects
  TimePoint now_{};
};

TEST_F(RefusedBatchesTest, what_was_sent_behind_a_refused_batch_is_refused_for_the_same_reason_until_that_comes_again) {
  EXPECT_TRUE(refused_.empty());
  refuse(batch(6));
  EXPECT_EQ(reason_before(batch(7)), kFull);
  EXPECT_EQ(reason_before(batch(12)), kFull);
  EXPECT_EQ(reason_before(batch(6)), std::nullopt);
  EXPECT_TRUE(refused_.empty());
}

TEST_F(RefusedBatchesTest, the_first_of_several_refused_batches_is_what_is_waited_for) {
  refuse(batch(6));
  refuse(batch(7), kTooFew);
  EXPECT_EQ(reason_before(batch(7)), kFull);
  next_ = std::nullopt;
  refuse(batch(5), kTooFew);
  EXPECT_EQ(reason_before(batch(6)), kTooFew);
}

TEST_F(RefusedBatchesTest, a_gap_that_no_refusal_explains_stays_a_gap) {
  refuse(batch(7));  // 6 was lost, elsewhere
  EXPECT_EQ(reason_before(batch(8)), std::nullopt);
  EXPECT_EQ(reason_before(batch(8, 0, 9)), std::nullopt);
}

TEST_F(RefusedBatchesTest, a_refusal_says_nothing_once_the_log_has_what_was_refused) {
  refuse(batch(6));
  next_ = Sequence(20);  // from another leader
  EXPECT_EQ(reason_before(batch(21)), std::nullopt);
  EXPECT_TRUE(refused_.empty());
}

TEST_F(RefusedBatchesTest, a_log_that_knows_nothing_of_the_producer_takes_nothing_before_what_was_refused) {
  next_ = std::nullopt;
  refuse(batch(3));
  EXPECT_EQ(reason_before(batch(4)), kFull);
  EXPECT_EQ(reason_before(batch(2)), std::nullopt);
  EXPECT_EQ(reason_before(batch(4)), kFull);
}

TEST_F(RefusedBatchesTest, a_new_epoch_of_the_producer_is_not_held_up_by_the_old_one) {
  refuse(batch(6, 0));
  next_ = Sequence(0);
  EXPECT_EQ(reason_before(batch(0, 1)), std::nullopt);
  refuse(batch(0, 1));
  EXPECT_EQ(reason_before(batch(1, 1)), kFull);
  next_ = kNoSequence;
  EXPECT_EQ(reason_before(batch(7, 0)), std::nullopt);  // the log says that this epoch is over
}

TEST_F(RefusedBatchesTest, sequences_that_wrap_are_still_behind) {
  constexpr int32_t kLast = std::numeric_limits<int32_t>::max();
  next_ = Sequence(kLast - 1);
  refuse(batch(kLast - 1));
  EXPECT_EQ(reason_before(batch(1)), kFull);
  EXPECT_EQ(reason_before(batch(kLast - 2)), std::nullopt);
}

TEST_F(RefusedBatchesTest, a_batch_that_does_not_come_again_is_waited_for_half_a_minute) {
  refuse(batch(6));
  now_ += RefusedBatches::kKept - std::chrono::milliseconds(1);
  EXPECT_EQ(reason_before(batch(7)), kFull);
  now_ += std::chrono::milliseconds(1);
  EXPECT_EQ(reason_before(batch(7)), std::nullopt);
  EXPECT_TRUE(refused_.empty());
}

TEST_F(RefusedBatchesTest, of_too_many_producers_the_one_refused_longest_ago_is_forgotten) {
  for (int64_t producer = 0; producer <= static_cast<int64_t>(RefusedBatches::kProducersMax); ++producer) {
    refuse(batch(6, 0, producer));
  }
  EXPECT_EQ(reason_before(batch(7, 0, 0)), std::nullopt);
  EXPECT_EQ(reason_before(batch(7, 0, 1)), kFull);
}

TEST_F(RefusedBatchesTest, producers_without_idempotence_are_not_remembered) {
  refuse(batch(kNoSequence.value(), kNoProducerEpoch.value(), kNoProducerId.value()));
  EXPECT_TRUE(refused_.empty());
}

}  // namespace
}  // namespace millrace::replication
