#include "broker/storage/producer_state.h"

#include "broker/storage/log_test_support.h"

namespace millrace::storage {
namespace {

class Idempotence : public LogTest {
 protected:
  Result<AppendInfo> send(int32_t sequence, int records = 1, int16_t epoch = 0, int64_t producer = 5) {
    return try_append({.values = std::vector<std::string>(static_cast<size_t>(records), "v"),
                       .producer = producer,
                       .epoch = epoch,
                       .sequence = sequence});
  }
  Errc refusal(int32_t sequence, int16_t epoch = 0) {
    auto info = send(sequence, 1, epoch);
    return info ? Errc::io : info.error().code;
  }
};

TEST_F(Idempotence, the_last_five_batches_are_recognized_and_answered_with_their_offsets) {
  for (int i = 0; i < 7; ++i) ASSERT_FALSE(send(2 * i, 2)->duplicate);
  for (int pass = 0; pass < 3; ++pass) {
    for (int i = 2; i < 7; ++i) {
      const AppendInfo info = send(2 * i, 2).value();
      EXPECT_TRUE(info.duplicate) << i;
      EXPECT_EQ(info.first_offset, Offset(int64_t{2} * i));
      EXPECT_EQ(info.last_offset, Offset(2 * i + 1));
    }
    EXPECT_EQ(refusal(2), Errc::out_of_order_sequence);  // the sixth last
    EXPECT_EQ(log().log_end(), Offset(14));
    if (pass == 0) close_and_reopen();
    if (pass == 1) crash();
  }
  EXPECT_FALSE(send(14)->duplicate);
}

TEST_F(Idempotence, gaps_and_old_epochs_are_refused_and_new_epochs_start_at_zero) {
  ASSERT_TRUE(send(3));  // unknown producer: any start
  EXPECT_EQ(refusal(5), Errc::out_of_order_sequence);
  EXPECT_EQ(refusal(2), Errc::out_of_order_sequence);
  EXPECT_EQ(refusal(1, 1), Errc::out_of_order_sequence);
  ASSERT_TRUE(send(0, 1, 1));
  EXPECT_EQ(refusal(4, 0), Errc::invalid_producer_epoch);
  ASSERT_TRUE(send(1, 1, 1));
}

TEST_F(Idempotence, sequences_wrap_from_the_largest_number_to_zero) {
  ASSERT_TRUE(send(INT32_MAX - 1, 4));  // MAX-1, MAX, 0, 1
  EXPECT_TRUE(send(INT32_MAX - 1, 4)->duplicate);
  EXPECT_EQ(refusal(1), Errc::out_of_order_sequence);
  close_and_reopen();
  EXPECT_TRUE(send(INT32_MAX - 1, 4)->duplicate);
  EXPECT_FALSE(send(2)->duplicate);
}

TEST_F(Idempotence, silent_producers_are_forgotten_after_their_time) {
  ASSERT_TRUE(send(0));
  clock_.advance(std::chrono::hours(25));
  ASSERT_TRUE(log().enforce_retention(Offset(0)));
  EXPECT_FALSE(send(77)->duplicate);
}

TEST_F(Idempotence, batches_without_a_producer_are_never_duplicates) {
  append({"same"});
  append({"same"});
  EXPECT_EQ(log().log_end(), Offset(2));
}

protocol::BatchHeader header_of(int64_t producer, int32_t sequence, int64_t offset) {
  protocol::BatchHeader header;
  header.base_offset = Offset(offset);
  header.producer_id = ProducerId(producer);
  header.producer_epoch = ProducerEpoch(0);
  header.base_sequence = Sequence(sequence);
  header.record_count = 1;
  return header;
}

TEST(ProducerState, keeps_to_its_limit_by_forgetting_who_was_silent_longest) {
  ProducerState state;
  for (int i = 0; i < 1000; ++i) {
    state.update(header_of(i, 0, i), i);
    state.limit(100);
    ASSERT_LE(state.size(), 100u);
  }
  EXPECT_FALSE(state.check(header_of(999, 7, 1)));  // known: a gap
  EXPECT_TRUE(state.check(header_of(1, 7, 1)));     // forgotten: a new one
}

TEST(ProducerState, snapshots_survive_whole_and_damaged_ones_are_refused) {
  ProducerState state;
  for (int i = 0; i < 20; ++i) state.update(header_of(i % 3, i / 3, i), i);
  const std::string snapshot = state.format();
  auto back = ProducerState::parse(snapshot, 0);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->size(), 3u);
  EXPECT_TRUE(back->check(header_of(0, 6, 99)).value());   // a duplicate
  EXPECT_FALSE(back->check(header_of(0, 7, 99)).value());  // the next
  for (size_t bit = 0; bit < snapshot.size() * 8; ++bit) {
    std::string damaged = snapshot;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    ASSERT_FALSE(ProducerState::parse(damaged, 0)) << bit;
  }
  for (size_t size = 0; size < snapshot.size(); ++size) {
    ASSERT_FALSE(ProducerState::parse(snapshot.substr(0, size), 0));
  }
}

}  // namespace
}  // namespace millrace::storage
