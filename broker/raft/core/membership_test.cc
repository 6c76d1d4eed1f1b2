// Who takes part: changes of the configuration, learners, observers, and leadership that is handed over.
#include <gtest/gtest.h>

#include "broker/raft/core/solo_test_support.h"

namespace millrace::raft::testing {
namespace {

using Kind = ChangeMembers::Kind;

RequestId change(Solo& solo, Kind kind, const Member& who) {
  static uint64_t requests = 1'000'000;
  const RequestId request{++requests};
  solo.feed(ChangeMembers{request, kind, who});
  return request;
}

// A leader of three voters; its no-op, entry 2, is committed.
Solo settled() {
  Solo solo({1});
  solo.become_leader();
  solo.append_reply(1, 2, 2);
  solo.append_reply(2, 2, 2);
  return solo;
}

TEST(Change, waits_for_an_entry_of_the_leaders_own_term) {
  Solo solo({1});
  solo.append(1, 5, {1, 1}, {}, 1);  // the configuration is committed
  solo.become_leader();
  ASSERT_EQ(solo->commit(), Index{1});
  EXPECT_EQ(solo.answer(change(solo, Kind::add_learner, member(7)))->outcome, Outcome::busy);
  solo.append_reply(1, 2, 2);
  EXPECT_FALSE(solo.answer(change(solo, Kind::add_learner, member(7))));
}

TEST(Change, waits_for_the_one_before) {
  Solo solo = settled();
  const auto first = change(solo, Kind::add_learner, member(7));
  EXPECT_EQ(solo.answer(change(solo, Kind::add_learner, member(8)))->outcome, Outcome::busy);
  solo.append_reply(1, 3, 3);
  EXPECT_EQ(solo.answer(first)->outcome, Outcome::done);
  EXPECT_FALSE(solo.answer(change(solo, Kind::add_learner, member(8))));
}

TEST(Change, refuses_what_makes_no_sense) {
  Solo solo = settled();
  EXPECT_EQ(solo.answer(change(solo, Kind::add_learner, member(1, 5)))->outcome, Outcome::already_member);
  EXPECT_EQ(solo.answer(change(solo, Kind::promote, member(1)))->outcome, Outcome::unknown_member);
  EXPECT_EQ(solo.answer(change(solo, Kind::remove, member(1, 5)))->outcome, Outcome::unknown_member);
  Solo alone({1}, 1);
  alone.tick();
  EXPECT_EQ(alone.answer(change(alone, Kind::remove, member(0)))->outcome, Outcome::last_voter);
  Solo follower({1});
  EXPECT_EQ(follower.answer(change(follower, Kind::remove, member(1)))->outcome, Outcome::not_leader);
}

TEST(Change, counts_under_the_configuration_that_it_makes) {
  Solo solo = settled();
  change(solo, Kind::remove, member(2));  // entry 3, two voters left
  EXPECT_EQ(solo->commit(), Index{2});
  solo.append_reply(2, 3, 3);
  EXPECT_EQ(solo->commit(), Index{2});
  solo.append_reply(1, 3, 3);
  EXPECT_EQ(solo->commit(), Index{3});
}

TEST(Change, a_leader_that_removes_itself_does_not_count_and_leaves_once_it_is_committed) {
  Solo solo = settled();
  change(solo, Kind::remove, member(0));
  solo.append_reply(1, 3, 3);
  EXPECT_EQ(solo->commit(), Index{2});
  EXPECT_EQ(solo->state().role, Role::leader);
  solo.append_reply(2, 3, 3);
  EXPECT_EQ(solo->commit(), Index{3});
  EXPECT_EQ(solo->state().role, Role::follower);
}

TEST(Change, that_is_truncated_is_rolled_back) {
  Solo solo = settled();
  change(solo, Kind::remove, member(2));
  EXPECT_EQ(solo->configuration().voters.size(), 2u);
  solo.append(1, 99, {2, static_cast<int>(solo->hard_state().term.value())}, {99}, 2);
  EXPECT_EQ(solo->configuration().voters.size(), 3u);
  EXPECT_EQ(solo->configuration_index(), Index{1});
}

TEST(Change, a_member_without_a_vote_neither_stands_nor_counts) {
  Solo solo({1}, 3, [](Options& options) { options.self = member(9); });
  solo.pass(milliseconds(3000));
  EXPECT_EQ(solo->state().role, Role::follower);
  EXPECT_FALSE(solo.sent_any_vote_request());
}

TEST(Change, who_is_left_out_by_an_uncommitted_change_may_still_stand) {
  Solo solo = settled();
  change(solo, Kind::remove, member(0));
  solo.restart();
  solo.pass_until_pre_candidate();
  solo.vote_reply(1, true);
  EXPECT_EQ(solo->state().role, Role::pre_candidate) << "its own vote does not count";
  solo.vote_reply(2, true);
  EXPECT_EQ(solo->state().role, Role::candidate);
}

TEST(Change, votes_and_entries_are_taken_from_whoever_sends_them) {
  Solo solo({1});
  solo.pass(milliseconds(500));
  EXPECT_TRUE(solo.vote(8, 6, {9, 5})->granted);
  EXPECT_TRUE(solo.append(8, 6, {1, 1}, {6}, 0).reply().success);
}

TEST(Promotion, needs_a_learner_that_has_caught_up_within_one_election_timeout) {
  Solo solo = settled();
  change(solo, Kind::add_learner, member(7));  // entry 3
  solo.append_reply(1, 3, 3);
  EXPECT_EQ(solo.answer(change(solo, Kind::promote, member(7)))->outcome, Outcome::not_caught_up);
  solo.append_reply(7, 3, 3);
  EXPECT_FALSE(solo.answer(change(solo, Kind::promote, member(7))));
  EXPECT_TRUE(solo->configuration().has_voter(member(7)));
}

TEST(Promotion, of_a_learner_that_is_silent_is_refused) {
  Solo solo = settled();
  change(solo, Kind::add_learner, member(7));
  solo.append_reply(1, 3, 3);
  solo.append_reply(7, 3, 3);
  for (int i = 0; i < 6; ++i) {
    solo.append_reply(1, 3, 3);
    solo.pass(milliseconds(100));
  }
  EXPECT_EQ(solo.answer(change(solo, Kind::promote, member(7)))->outcome, Outcome::not_caught_up);
}

TEST(Learner, does_not_count_for_commit_or_for_contact) {
  Solo solo = settled();
  change(solo, Kind::add_learner, member(7));
  solo.append_reply(7, 3, 3);
  EXPECT_EQ(solo->commit(), Index{2});
  for (int i = 0; i < 12; ++i) {
    solo.append_reply(7, 3, 3);
    solo.pass(milliseconds(100));
  }
  EXPECT_EQ(solo->state().role, Role::follower);
}

TEST(Observer, receives_the_log_on_request_is_bounded_and_is_forgotten_when_silent) {
  Solo solo({1}, 1, [](Options& options) { options.observers_max = 1; });
  solo.tick();
  solo.receive_as(Member{NodeId{0}, {}}, 5, 0, FollowRequest{});
  solo.receive_as(member(0), 6, 0, FollowRequest{});
  EXPECT_EQ(solo.sent_appends(5).size(), 1u);
  EXPECT_EQ(solo.sent_appends(6).size(), 0u);
  solo.pass(milliseconds(6000));
  EXPECT_EQ(solo->progress_of(member(5)), nullptr);
}

TEST(Observer, asks_its_contacts_and_follows_one_hint_at_a_time) {
  Solo solo({1}, 1, [](Options& options) {
    options.self = member(9);
    options.contacts = {NodeId{4}};
  });
  solo.tick();
  EXPECT_EQ(solo.sent<FollowRequest>().size(), 1u);
  for (int i = 0; i < 3; ++i) {
    solo.feed(Received{{member(4), member(9), Term{1}, FollowReply{member(2)}}});
  }
  EXPECT_EQ(solo.sent<FollowRequest>().size(), 2u);
  EXPECT_EQ(solo.sent<FollowRequest>(2).size(), 1u);
}

TEST(Observer, whose_leader_falls_silent_follows_the_hint_to_another_one) {
  Solo solo({1}, 1, [](Options& options) { options.self = member(9); });
  solo.receive_as(member(9), 1, 5, AppendRequest{});
  ASSERT_EQ(solo->state().leader, member(1));
  solo.pass(milliseconds(6000));
  EXPECT_EQ(solo->state().leader, std::nullopt);
  EXPECT_FALSE(solo.sent<FollowRequest>().empty());
  EXPECT_TRUE(solo.sent<FollowRequest>(2).empty());
  solo.feed(Received{{member(1), member(9), Term{6}, FollowReply{member(2)}}});
  EXPECT_EQ(solo.sent<FollowRequest>(2).size(), 1u);
}

TEST(Transfer, tells_the_target_once_it_has_everything_and_takes_no_proposals_meanwhile) {
  Solo solo = settled();
  solo.propose("a");
  solo.feed(TransferLeadership{RequestId{77}, NodeId{2}});
  EXPECT_TRUE(solo.sent<TimeoutNow>().empty());
  EXPECT_EQ(solo.answer(solo.propose("b"))->outcome, Outcome::busy);
  solo.append_reply(2, 3, 3);
  EXPECT_EQ(solo.sent<TimeoutNow>(2).size(), 1u);
  solo.append(2, 99, {3, static_cast<int>(solo->hard_state().term.value())}, {}, 0);
  EXPECT_EQ(solo.answer(RequestId{77})->outcome, Outcome::done);
}

TEST(Transfer, is_given_up_after_one_election_timeout) {
  Solo solo = settled();
  solo.feed(TransferLeadership{RequestId{77}, NodeId{2}});
  for (int i = 0; i < 5; ++i) {
    solo.pass(milliseconds(100));
    solo.append_reply(1, 2, 2);
  }
  EXPECT_EQ(solo.answer(RequestId{77})->outcome, Outcome::timed_out);
  EXPECT_FALSE(solo.answer(solo.propose("b")));
}

TEST(Transfer, starts_an_election_at_once_that_passes_over_the_leaders_heartbeats) {
  Solo solo({1});
  solo.append(1, 5, {1, 1}, {}, 0);
  solo.receive(2, Term{5}, TimeoutNow{});  // not the leader
  EXPECT_EQ(solo->state().role, Role::follower);
  solo.receive(1, Term{5}, TimeoutNow{});
  EXPECT_EQ(solo->state().role, Role::candidate);
  EXPECT_TRUE(solo.sent_vote_request(2).transfer);
  Solo voter({1});
  voter.append(1, 5, {1, 1}, {}, 0);
  EXPECT_FALSE(voter.vote(2, 6, {9, 9}, false).has_value());
  EXPECT_TRUE(voter.vote(2, 6, {9, 9}, true)->granted);
}

TEST(Transfer, goes_to_a_voter_only) {
  Solo solo = settled();
  solo.feed(TransferLeadership{RequestId{77}, NodeId{7}});
  EXPECT_EQ(solo.answer(RequestId{77})->outcome, Outcome::unknown_member);
}

class Growth : public ::testing::Test {
 protected:
  Growth() {
    world.tune = [](Options& options) { options.contacts = {NodeId{0}, NodeId{1}, NodeId{2}}; };
    world.start(1);
    for (int at = 1; at < 5; ++at) world.add_node(member(at), false, {});
  }
  bool grow(const Member& who) {
    return world.change_until_done(Kind::add_learner, who) && world.change_until_done(Kind::promote, who);
  }
  bool everyone_has(const std::string& payload) {
    return world.run_until([&] {
      return std::all_of(world.nodes().begin(), world.nodes().end(),
                         [&](const auto& of) { return !of.second.core || world.has_applied(of.first, payload); });
    });
  }
  World world;
};

TEST_F(Growth, observers_follow_without_being_asked) {
  world.propose(0, "early");
  world.run(milliseconds(200));
  world.propose(0, "late");
  EXPECT_TRUE(everyone_has("late"));
  EXPECT_EQ(world.core(3).configuration().voters, members(1));
  EXPECT_EQ(world.core(3).state().leader, member(0));
}

TEST_F(Growth, from_one_to_five_and_back) {
  for (int at = 1; at < 5; ++at) ASSERT_TRUE(grow(member(at))) << at;
  EXPECT_EQ(world.core(0).configuration().voters, members(5));
  world.isolate(0);
  world.isolate(1);
  ASSERT_TRUE(world.run_until([&] { return world.leader() >= 2; }));
  world.propose(world.leader(), "by three of five");
  world.heal();
  EXPECT_TRUE(everyone_has("by three of five"));
  for (int at = 4; at > 0; --at) ASSERT_TRUE(world.change_until_done(Kind::remove, member(at))) << at;
  EXPECT_EQ(world.core(0).configuration().voters, members(1));
  world.run_until([&] { return world.leader() == 0; });
  world.propose(0, "alone");
  EXPECT_TRUE(everyone_has("alone"));
}

TEST_F(Growth, a_dead_voter_is_removed_and_comes_back_with_another_disk) {
  ASSERT_TRUE(grow(member(1)) && grow(member(2)));
  world.lose_disk(1);
  const Member replaced = world.node(1).self;
  world.run(milliseconds(2000));
  EXPECT_NE(world.core(1).state().role, Role::leader);
  EXPECT_EQ(world.answer(world.change(world.leader(), Kind::add_learner, replaced))->outcome, Outcome::already_member);
  ASSERT_TRUE(world.change_until_done(Kind::remove, member(1)));
  ASSERT_TRUE(grow(replaced));
  world.propose(world.leader(), "again three");
  EXPECT_TRUE(everyone_has("again three"));
}

TEST_F(Growth, two_voters_of_which_one_knows_of_its_removal_alone_do_not_wait_for_each_other) {
  ASSERT_TRUE(grow(member(1)));
  ASSERT_TRUE(world.run_until([&] { return world.leader() == 0; }));
  world.cut(0, 1);
  world.change(0, Kind::remove, member(0));
  world.crash(0);
  world.restart(0);
  world.heal();
  ASSERT_TRUE(world.run_until([&] { return world.leader() == 1 && world.core(1).configuration().voters.size() == 1; }));
}

TEST_F(Growth, a_leader_that_removes_itself_is_succeeded_within_a_few_round_trips) {
  ASSERT_TRUE(grow(member(1)) && grow(member(2)));
  ASSERT_TRUE(world.run_until([&] { return world.leader() == 0; }));
  world.change(0, Kind::remove, member(0));
  ASSERT_TRUE(world.run_until([&] { return world.leader() > 0; }, milliseconds(30)));
  world.propose(world.leader(), "without it");
  EXPECT_TRUE(everyone_has("without it"));
}

TEST_F(Growth, leadership_moves_within_a_few_round_trips) {
  ASSERT_TRUE(grow(member(1)) && grow(member(2)));
  const auto request = world.transfer(0, 2);
  ASSERT_TRUE(world.run_until([&] { return world.leader() == 2; }, milliseconds(20)));
  EXPECT_TRUE(world.succeeded(request));
}

}  // namespace
}  // namespace millrace::raft::testing
