// Reads that must see everything acknowledged before them.
#include <gtest/gtest.h>

#include "broker/raft/core/solo_test_support.h"

namespace millrace::raft::testing {
namespace {

constexpr RequestId kRead{7'000'000};
constexpr RequestId kOther{7'000'001};

void answer_round(Solo& solo, int from) {
  const auto appends = solo.sent_appends(from);
  solo.receive(
      from, solo->hard_state().term,
      AppendReply{
          .success = true, .round = appends.at(appends.size() - 1).round, .verified = Index{1}, .durable = Index{1}});
}

// A leader of three voters whose no-op, entry 2, is committed.
void settle(Solo& solo) {
  solo.become_leader();
  solo.append_reply(1, 2, 2);
  solo.clear();
}

TEST(ReadIndex, is_confirmed_by_a_round_that_began_after_the_read) {
  Solo solo({1});
  settle(solo);
  solo.pass(milliseconds(50));
  ASSERT_EQ(solo.sent_appends(1).size(), 1u);  // a round is under way
  solo.feed(Read{kRead});
  answer_round(solo, 1);
  EXPECT_FALSE(solo.answer(kRead));
  EXPECT_EQ(solo.sent_appends(2).size(), 2u);  // and the next one began at once
  answer_round(solo, 1);
  EXPECT_EQ(solo.answer(kRead)->outcome, Outcome::done);
  EXPECT_EQ(solo.answer(kRead)->index, Index{2});
}

TEST(ReadIndex, is_shared_by_all_reads_that_wait) {
  Solo solo({1});
  settle(solo);
  solo.feed(Read{kRead});
  for (uint64_t i = 0; i < 20; ++i) solo.feed(Read{kOther.next(i)});
  answer_round(solo, 1);
  answer_round(solo, 1);
  for (uint64_t i = 0; i < 20; ++i) EXPECT_EQ(solo.answer(kOther.next(i))->outcome, Outcome::done);
  EXPECT_EQ(solo.sent_appends(1).size(), 2u);
}

TEST(ReadIndex, waits_for_an_entry_of_the_leaders_own_term) {
  Solo solo({1, 1});
  solo.become_leader();
  solo.feed(Read{kRead});
  solo.pass(milliseconds(50));
  answer_round(solo, 1);
  EXPECT_FALSE(solo.answer(kRead));
  solo.append_reply(1, 3, 3);
  answer_round(solo, 1);
  EXPECT_EQ(solo.answer(kRead)->index, Index{3});
}

TEST(ReadIndex, waits_until_what_it_has_to_see_is_applied) {
  Solo solo({1});
  settle(solo);
  solo.hold_apply();
  solo.propose("a");
  solo.append_reply(1, 3, 3);
  solo.feed(Read{kRead});
  answer_round(solo, 1);
  EXPECT_FALSE(solo.answer(kRead));
  solo.release_apply();
  EXPECT_EQ(solo.answer(kRead)->index, Index{3});
}

TEST(ReadIndex, of_a_deposed_leader_is_not_answered_with_what_it_has) {
  Solo solo({1});
  settle(solo);
  solo.feed(Read{kRead});
  solo.append(1, 99, {1, 1}, {}, 0);
  EXPECT_EQ(solo.answer(kRead)->outcome, Outcome::not_leader);
}

TEST(ReadIndex, a_follower_asks_its_leader_and_waits_for_its_own_machine) {
  Solo solo({1});
  solo.feed(Read{kRead});
  EXPECT_EQ(solo.answer(kRead)->outcome, Outcome::not_leader);
  solo.append(1, 5, {1, 1}, {}, 1);
  solo.feed(Read{kOther});
  EXPECT_EQ(solo.sent<ReadIndexRequest>(1).size(), 1u);
  solo.receive(1, Term{5}, ReadIndexReply{kOther, Index{2}});
  EXPECT_FALSE(solo.answer(kOther));
  solo.append(1, 5, {1, 1}, {5}, 2);
  EXPECT_EQ(solo.answer(kOther)->outcome, Outcome::done);
}

TEST(ReadIndex, that_the_leader_does_not_answer_is_given_up) {
  Solo solo({1});
  solo.append(1, 5, {1, 1}, {}, 1);
  solo.feed(Read{kOther});
  for (int i = 0; i < 5; ++i) {
    solo.append(1, 5, {1, 1}, {}, 1);
    solo.pass(milliseconds(100));
  }
  EXPECT_EQ(solo.answer(kOther)->outcome, Outcome::not_leader);
}

TEST(ReadIndex, of_a_follower_is_answered_by_the_leader_after_a_round) {
  Solo solo({1});
  settle(solo);
  solo.receive(2, solo->hard_state().term, ReadIndexRequest{kRead});
  EXPECT_TRUE(solo.sent<ReadIndexReply>().empty());
  answer_round(solo, 1);
  ASSERT_EQ(solo.sent<ReadIndexReply>(2).size(), 1u);
  EXPECT_EQ(solo.sent<ReadIndexReply>(2)[0].index, Index{2});
}

TEST(ReadIndex, has_a_limit) {
  Solo solo({1}, 3, [](Options& options) { options.reads_max = 1; });
  settle(solo);
  solo.feed(Read{kRead});
  solo.feed(Read{kOther});
  EXPECT_EQ(solo.answer(kOther)->outcome, Outcome::overloaded);
}

TEST(ReadIndex, of_a_single_voter_is_answered_at_once) {
  Solo solo({1}, 1);
  solo.tick();
  solo.feed(Read{kRead});
  EXPECT_EQ(solo.answer(kRead)->outcome, Outcome::done);
}

class Lease : public ::testing::Test {
 protected:
  Lease() {
    settle(solo);
    solo.pass(milliseconds(50));
    answer_round(solo, 1);
    solo.clear();
  }
  Solo solo{{1}, 3, [](Options& options) { options.lease_reads = true; }};
};

TEST_F(Lease, spares_the_round_while_no_other_leader_can_exist) {
  solo.pass(milliseconds(449));  // one timeout less the drift, from the start of the round
  solo.feed(Read{kRead});
  EXPECT_EQ(solo.answer(kRead)->outcome, Outcome::done);
  solo.pass(milliseconds(1));
  solo.feed(Read{kOther});
  EXPECT_FALSE(solo.answer(kOther));
}

TEST_F(Lease, ends_for_good_when_somebody_is_told_to_stand) {
  solo.feed(TransferLeadership{RequestId{77}, NodeId{1}});
  ASSERT_EQ(solo.sent<TimeoutNow>(1).size(), 1u);
  solo.feed(Read{kRead});
  EXPECT_FALSE(solo.answer(kRead));
}

}  // namespace
}  // namespace millrace::raft::testing
