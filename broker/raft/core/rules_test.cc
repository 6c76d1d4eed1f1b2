// One core against hand-made messages: the rules by which a quorum stays safe, each as a test.
#include <gtest/gtest.h>

#include "broker/raft/core/solo_test_support.h"

namespace millrace::raft::testing {
namespace {

TEST(Commit, counts_only_entries_of_the_leaders_own_term) {
  Solo solo({1, 1, 2});
  solo.become_leader();  // its no-op is entry 4
  solo.append_reply(1, 3, 3);
  EXPECT_EQ(solo->commit(), Index{0});
  solo.append_reply(1, 4, 4);
  EXPECT_EQ(solo->commit(), Index{4});
}

TEST(Commit, a_new_leader_appends_a_no_op_first) {
  Solo solo({1, 1});
  solo.become_leader();
  ASSERT_EQ(solo.writes().size(), 1u);
  EXPECT_EQ(solo.writes()[0].entries[0].kind, EntryKind::no_op);
  EXPECT_EQ(solo.writes()[0].entries[0].term, solo->hard_state().term);
}

TEST(Commit, is_the_median_even_while_followers_lag_behind_the_newest_entry) {
  Solo solo({1}, 5);
  solo.become_leader();  // no-op 2
  solo.propose("a");
  solo.propose("b");
  solo.propose("c");
  solo.append_reply(1, 3, 3);
  EXPECT_EQ(solo->commit(), Index{0});
  solo.append_reply(2, 4, 4);
  EXPECT_EQ(solo->commit(), Index{3});
}

TEST(Commit, counts_the_leaders_own_disk_only_when_it_has_the_entry) {
  Solo solo({1});
  solo.become_leader();
  solo.hold_disk();
  solo.propose("a");
  solo.append_reply(1, 3, 3);
  EXPECT_EQ(solo->commit(), Index{2});
  solo.release_disk();
  EXPECT_EQ(solo->commit(), Index{3});
}

TEST(Commit, never_decreases) {
  Solo solo({1, 2, 2});
  solo.append(1, 5, {3, 2}, {}, 3);
  EXPECT_EQ(solo->commit(), Index{3});
  solo.append(1, 5, {2, 2}, {}, 2);
  EXPECT_EQ(solo->commit(), Index{3});
}

TEST(Commit, of_a_follower_ends_with_what_was_compared) {
  Solo solo({1, 2, 2, 2});  // a tail that the new leader may not have
  solo.append(1, 5, {1, 1}, {2}, 4);
  EXPECT_EQ(solo->commit(), Index{2});
}

TEST(Acknowledgement, confirms_what_was_compared_and_not_the_own_last_index) {
  Solo solo({1, 2, 2, 2});
  const auto reply = solo.append(1, 5, {1, 1}, {}, 0).reply();
  EXPECT_TRUE(reply.success);
  EXPECT_EQ(reply.verified, Index{1});
  EXPECT_EQ(reply.durable, Index{1});
}

TEST(Acknowledgement, confirms_what_is_durable_and_the_rest_when_it_is) {
  Solo solo({1});
  solo.append(1, 5, {1, 1}, {}, 0);
  solo.hold_disk();
  solo.append(1, 5, {1, 1}, {5, 5}, 0);
  EXPECT_FALSE(solo.replied());
  EXPECT_EQ(solo.append(1, 5, {3, 5}, {}, 0).reply().durable, Index{1});
  solo.release_disk();
  EXPECT_EQ(solo.reply().durable, Index{3});
}

TEST(Acknowledgement, a_write_of_an_older_term_confirms_nothing_to_the_new_leader) {
  Solo solo({1}, 5);
  solo.hold_disk();
  solo.append(1, 5, {1, 1}, {5}, 0);
  solo.append(2, 6, {1, 1}, {}, 0);
  solo.release_hard_state();
  solo.clear();
  solo.release_disk();
  EXPECT_FALSE(solo.replied());
  EXPECT_EQ(solo->durable(), Index{2});
}

TEST(Acknowledgement, a_cut_that_is_under_way_takes_its_entries_out_of_what_is_durable) {
  Solo solo({1, 2, 2});
  solo.hold_disk();
  solo.append(1, 5, {1, 1}, {5}, 0);
  EXPECT_EQ(solo->durable(), Index{1});
  solo.release_disk();
  EXPECT_EQ(solo->durable(), Index{2});
}

TEST(Rejection, names_the_conflicting_term_and_its_first_entry) {
  Solo solo({1, 2, 2, 2, 3});
  const auto other_term = solo.append(1, 9, {4, 7}, {}, 0).reply();
  EXPECT_FALSE(other_term.success);
  EXPECT_EQ(other_term.rejected, Index{4});
  EXPECT_EQ(other_term.conflict, (Position{Index{4}, Term{2}}));
  EXPECT_EQ(other_term.conflict_first, Index{2});
  const auto too_short = solo.append(1, 9, {40, 7}, {}, 0).reply();
  EXPECT_EQ(too_short.rejected, Index{40});
  EXPECT_EQ(too_short.conflict, (Position{Index{5}, Term{3}}));
  EXPECT_EQ(too_short.conflict_first, Index{5});
}

TEST(Rejection, is_answered_at_once_with_a_probe_before_the_conflicting_term) {
  Solo solo({1, 2, 4, 4});
  solo.become_leader();  // no-op 5, first probe at 4
  solo.reject(1, 4, {4, 3}, 2);
  EXPECT_EQ(solo.sent_append(1).previous, (Position{Index{1}, Term{1}}));
}

TEST(Rejection, goes_to_the_newest_entry_of_the_same_term_when_the_leader_has_one) {
  Solo solo({1, 2, 2, 2, 4});
  solo.become_leader();  // no-op 6
  solo.reject(1, 5, {5, 2}, 2);
  EXPECT_EQ(solo.sent_append(1).previous, (Position{Index{4}, Term{2}}));
}

TEST(Rejection, at_or_below_match_is_old_and_changes_nothing) {
  Solo solo({1, 2, 2});
  solo.become_leader();
  solo.append_reply(1, 4, 4);
  solo.clear();
  solo.reject(1, 3, {3, 1}, 1);
  EXPECT_EQ(solo->progress_of(member(1))->next, Index{5});
  EXPECT_EQ(solo->progress_of(member(1))->match, Index{4});
}

TEST(Rejection, match_rises_by_a_success_only_and_by_what_is_durable) {
  Solo solo({1, 2, 2});
  solo.become_leader();
  solo.reject(1, 3, {2, 2}, 2);
  EXPECT_EQ(solo->progress_of(member(1))->match, Index{0});
  solo.append_reply(1, 4, 2);
  EXPECT_EQ(solo->progress_of(member(1))->match, Index{2});
  EXPECT_EQ(solo->progress_of(member(1))->next, Index{5});
}

TEST(Vote, is_refused_while_a_leader_was_heard_of_within_the_minimum_timeout) {
  Solo solo({1});
  solo.append(1, 5, {1, 1}, {}, 0);
  solo.pass(milliseconds(499));
  EXPECT_FALSE(solo.vote(2, 6, {9, 9}).has_value());
  EXPECT_EQ(solo->hard_state().term, Term{5});
  EXPECT_FALSE(solo.pre_vote(2, 6, {9, 9})->granted);
  solo.pass(milliseconds(1));  // however long its own timer still runs
  EXPECT_EQ(solo->state().role, Role::follower);
  EXPECT_TRUE(solo.pre_vote(2, 6, {9, 9})->granted);
  EXPECT_TRUE(solo.vote(2, 6, {9, 9})->granted);
}

TEST(Vote, is_refused_for_one_minimum_timeout_after_a_start) {
  Solo solo({1});
  EXPECT_FALSE(solo.vote(2, 6, {9, 9}).has_value());
}

TEST(Vote, compares_durable_positions_on_both_sides) {
  Solo solo({1});
  solo.hold_disk();
  solo.append(1, 5, {1, 1}, {5, 5}, 0);
  solo.release_hard_state();
  solo.pass(milliseconds(800));
  EXPECT_EQ(solo->state().role, Role::pre_candidate);
  EXPECT_EQ(solo.sent_vote_request(2).last, (Position{Index{1}, Term{1}}));
}

TEST(Vote, goes_to_no_log_that_is_older) {
  Solo solo({1, 2, 4});
  solo.pass(milliseconds(500));
  EXPECT_FALSE(solo.vote(1, 6, {9, 3})->granted);
  EXPECT_FALSE(solo.vote(1, 6, {2, 4})->granted);
  EXPECT_TRUE(solo.vote(1, 6, {3, 4})->granted);
}

TEST(Vote, is_given_once_a_term_even_when_the_leader_asks_for_the_election) {
  Solo solo({1});
  solo.pass(milliseconds(500));
  EXPECT_TRUE(solo.vote(1, 6, {9, 5})->granted);
  EXPECT_FALSE(solo.vote(2, 6, {9, 5})->granted);
  EXPECT_FALSE(solo.vote(2, 6, {9, 5}, true)->granted);
  EXPECT_TRUE(solo.vote(1, 6, {9, 5})->granted);
}

TEST(Vote, is_durable_before_it_is_said) {
  Solo solo({1});
  solo.pass(milliseconds(500));
  solo.hold_disk();
  EXPECT_FALSE(solo.vote(1, 6, {9, 5}).has_value());
  solo.release_hard_state();
  EXPECT_TRUE(solo.last_vote_reply()->granted);
  EXPECT_EQ(solo.hard_on_disk(), (HardState{Term{6}, member(1)}));
}

TEST(Vote, survives_a_restart) {
  Solo solo({1});
  solo.pass(milliseconds(500));
  EXPECT_TRUE(solo.vote(1, 6, {9, 5})->granted);
  solo.restart();
  solo.pass(milliseconds(500));
  EXPECT_FALSE(solo.vote(2, 6, {9, 5})->granted);
}

TEST(Vote, for_itself_counts_once_it_is_durable) {
  Solo solo({1});
  solo.pass_until_pre_candidate();
  solo.hold_disk();
  solo.vote_reply(1, true);
  EXPECT_EQ(solo->state().role, Role::candidate);
  EXPECT_FALSE(solo.sent_any_vote_request());
  solo.release_hard_state();
  EXPECT_TRUE(solo.sent_any_vote_request());
  EXPECT_EQ(solo->state().role, Role::candidate);
  solo.vote_reply(1, false);
  EXPECT_EQ(solo->state().role, Role::leader);
}

TEST(Vote, for_itself_is_not_made_durable_by_an_older_write) {
  Solo solo({1}, 2);
  solo.pass(milliseconds(500));
  solo.hold_disk();
  solo.vote(1, 6, {9, 5});  // the first hard state
  while (solo->state().role != Role::pre_candidate) solo.pass(milliseconds(1));
  solo.receive(1, Term{6}, VoteReply{Term{7}, true, true});
  ASSERT_EQ(solo->state().role, Role::candidate);  // a later one
  solo.feed(HardStateDurable{WriteSequence{1}});
  solo.receive(1, Term{7}, VoteReply{Term{7}, false, true});
  EXPECT_EQ(solo->state().role, Role::candidate);
}

TEST(PreVote, promises_nothing_and_takes_over_no_term) {
  Solo solo({1});
  solo.pass(milliseconds(500));
  EXPECT_TRUE(solo.pre_vote(1, 8, {9, 5})->granted);
  EXPECT_TRUE(solo.pre_vote(2, 8, {9, 5})->granted);
  EXPECT_EQ(solo->hard_state(), (HardState{Term{1}, std::nullopt}));
}

TEST(PreVote, comes_before_any_election_and_raises_no_term) {
  Solo solo({1});
  solo.pass_until_pre_candidate();
  EXPECT_EQ(solo->hard_state().term, Term{1});
  solo.pass(milliseconds(5000));
  EXPECT_EQ(solo->hard_state().term, Term{1});
}

TEST(CheckQuorum, a_leader_that_hears_no_quorum_for_a_timeout_steps_down) {
  Solo solo({1}, 5);
  solo.become_leader();
  const Term term = solo->hard_state().term;
  for (int i = 0; i < 6; ++i) {  // one other voter is no quorum of five
    solo.append_reply(1, 2, 2);
    solo.pass(milliseconds(200));
  }
  EXPECT_EQ(solo->state(), (RoleState{Role::follower, term, std::nullopt}));
}

TEST(CheckQuorum, a_leader_that_hears_a_quorum_stays) {
  Solo solo({1}, 5);
  solo.become_leader();
  for (int i = 0; i < 20; ++i) {
    solo.append_reply(1, 2, 2);
    solo.append_reply(3, 2, 2);
    solo.pass(milliseconds(200));
  }
  EXPECT_EQ(solo->state().role, Role::leader);
}

TEST(Terms, an_older_leader_is_answered_with_the_newer_term) {
  Solo solo({1, 7});
  solo.append(1, 5, {1, 1}, {}, 0);
  EXPECT_FALSE(solo.reply().success);
  EXPECT_EQ(solo.messages().back().term, Term{7});
}

TEST(Terms, a_leader_steps_down_at_a_newer_term_and_says_so) {
  Solo solo({1});
  solo.become_leader();
  solo.append_reply(1, 0, 0, 50);
  EXPECT_EQ(solo->state(), (RoleState{Role::follower, Term{50}, std::nullopt}));
  ASSERT_FALSE(solo.states().empty());
  EXPECT_EQ(solo.states().back(), solo->state());
}

TEST(Terms, every_change_of_role_term_and_leader_is_an_output) {
  Solo solo({1});
  solo.append(1, 5, {1, 1}, {}, 0);
  solo.append(2, 6, {1, 1}, {}, 0);
  const std::vector<RoleState> expected{{Role::follower, Term{5}, member(1)}, {Role::follower, Term{6}, member(2)}};
  EXPECT_EQ(solo.states(), expected);
}

TEST(Terms, a_message_for_another_disk_is_ignored) {
  Solo solo({1});
  solo.receive_as(member(0, 1), 1, 9, AppendRequest{});
  EXPECT_EQ(solo->hard_state().term, Term{1});
}

}  // namespace
}  // namespace millrace::raft::testing
