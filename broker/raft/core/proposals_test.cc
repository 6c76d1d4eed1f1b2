// One core against hand-made messages: proposals and their answers, the size of messages, what is kept in memory.
#include <gtest/gtest.h>

#include "broker/raft/core/solo_test_support.h"

namespace millrace::raft::testing {
namespace {

TEST(Proposal, is_answered_after_its_last_entry_is_applied) {
  Solo solo({1});
  solo.become_leader();
  solo.append_reply(1, 2, 2);
  solo.hold_apply();
  const auto request = solo.propose("a", "b");
  solo.append_reply(1, 3, 3);
  solo.release_apply();
  EXPECT_FALSE(solo.answer(request));
  solo.append_reply(1, 4, 4);
  EXPECT_FALSE(solo.answer(request));
  solo.release_apply();
  EXPECT_EQ(solo.answer(request)->outcome, Outcome::done);
  EXPECT_EQ(solo.answer(request)->index, Index{4});
}

TEST(Proposal, ends_as_unknown_when_leadership_is_lost) {
  Solo solo({1});
  solo.become_leader();
  const auto request = solo.propose("a");
  solo.append(1, 99, {1, 1}, {}, 0);
  EXPECT_EQ(solo.answer(request)->outcome, Outcome::unknown);
}

TEST(Proposal, to_a_follower_and_above_a_limit_does_nothing) {
  Solo solo({1}, 3, [](Options& options) {
    options.entry_bytes_max = 10;
    options.proposal_bytes_max = 2 * (kEntryOverhead + 10);
  });
  EXPECT_EQ(solo.answer(solo.propose("a"))->outcome, Outcome::not_leader);
  solo.become_leader();
  EXPECT_EQ(solo.answer(solo.propose("12345678901"))->outcome, Outcome::too_large);
  EXPECT_FALSE(solo.answer(solo.propose("1234567890", "1234567890")));
  EXPECT_EQ(solo.answer(solo.propose("a"))->outcome, Outcome::overloaded);
  EXPECT_EQ(solo->log().last(), Index{4});
}

TEST(Batching, every_message_has_a_byte_limit) {
  Solo solo({1}, 3, [](Options& options) { options.message_bytes_max = 300; });
  solo.become_leader();
  solo.append_reply(1, 2, 2);
  solo.clear();
  solo.propose(std::string(100, 'a'), std::string(100, 'b'), std::string(100, 'c'));
  const auto appends = solo.sent_appends(1);
  ASSERT_EQ(appends.size(), 2u);
  EXPECT_EQ(appends[0].entries.size(), 2u);
  EXPECT_EQ(appends[1].previous.index, Index{4});
}

TEST(Batching, what_is_proposed_while_the_window_is_full_goes_out_together) {
  Solo solo({1}, 3, [](Options& options) { options.in_flight_messages_max = 2; });
  solo.become_leader();
  solo.append_reply(1, 2, 2);
  solo.clear();
  for (int i = 0; i < 10; ++i) solo.propose("x");
  EXPECT_EQ(solo.sent_appends(1).size(), 2u);
  solo.append_reply(1, 3, 3);
  ASSERT_EQ(solo.sent_appends(1).size(), 3u);
  EXPECT_EQ(solo.sent_appends(1).back().entries.size(), 8u);
}

TEST(Memory, entries_that_have_left_it_are_read_by_the_driver) {
  Solo solo({1, 1, 1, 1});
  solo.become_leader();
  solo.reject(1, 4, {2, 1}, 1);
  solo.append_reply(1, 2, 2);
  ASSERT_EQ(solo.reads().size(), 1u);
  EXPECT_EQ(solo.reads()[0].first, Index{3});
  EXPECT_EQ(solo.reads()[0].last, Index{4});
  solo.clear();
  const Entry one{Term{1}, EntryKind::payload, {}};
  solo.feed(EntriesRead{member(1), solo->hard_state().term, Index{3}, {one, one}});
  EXPECT_EQ(solo.sent_appends(1).at(0).entries.size(), 2u);
  EXPECT_EQ(solo.sent_appends(1).at(1).entries.at(0).kind, EntryKind::no_op);
}

TEST(Memory, what_was_read_for_an_older_term_is_not_sent) {
  Solo solo({1, 1, 1, 1}, 3, [](Options& options) { options.cache_bytes_max = 0; });
  solo.become_leader();
  solo.reject(1, 4, {2, 1}, 1);
  solo.append_reply(1, 2, 2);
  const LogRead old = solo.reads().at(0);
  solo.append(2, 50, {2, 1}, {50, 50}, 0);  // another leader replaces what is being read
  solo.pass(milliseconds(500));
  solo.become_leader();
  solo.append_reply(1, 2, 2);
  solo.reject(1, 4, {2, 1}, 1);
  solo.append_reply(1, 2, 2);
  solo.clear();
  ASSERT_EQ(solo.reads().size(), 2u) << "the new term's read of the same place is under way";
  const Entry stale{Term{1}, EntryKind::payload, {}};
  solo.feed(EntriesRead{old.reader, old.term, old.first, {stale, stale}});
  EXPECT_TRUE(solo.sent_appends(1).empty());
}

TEST(SingleVoter, elects_itself_at_once_and_commits_alone) {
  Solo solo({1}, 1);
  solo.tick();
  EXPECT_EQ(solo->state().role, Role::leader);
  const auto request = solo.propose("a");
  EXPECT_EQ(solo.answer(request)->outcome, Outcome::done);
}

}  // namespace
}  // namespace millrace::raft::testing
