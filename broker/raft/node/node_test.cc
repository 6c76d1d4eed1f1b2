// What a node does with its core, its disk and its machine, in virtual time.
#include "broker/raft/node/node_test_support.h"
#include "broker/raft/node/store_test_support.h"

namespace millrace::raft::testing {
namespace {

using Kind = ChangeMembers::Kind;

TEST(Node, one_voter_begins_at_once_and_keeps_what_it_acknowledged) {
  World world(1);
  world.start(1);
  const Index index = world.commit("a");
  EXPECT_LT(world.clock().now() - TimePoint{}, milliseconds(200));
  world.crash(1, true);
  world.open(1);
  EXPECT_GT(world.commit("b"), index);
  EXPECT_EQ(world.machine(1).lines, (std::vector<std::string>{"a", "b"}));
}

TEST(Node, three_voters_begin_together_and_apply_the_same) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    World world(seed);
    world.start(3);
    world.commit("a");
    const Index last = world.commit("b");
    for (int at = 1; at <= 3; ++at) {
      EXPECT_TRUE(world.run_until([&] { return world.has_applied(at, last); }));
      EXPECT_EQ(world.machine(at).lines, (std::vector<std::string>{"a", "b"}));
      EXPECT_EQ(world.status(at).configuration.voters.size(), 3u);
    }
  }
}

TEST(Node, a_cluster_begins_only_when_every_voter_is_there) {
  World world(1);
  const std::vector<NodeId> voters{NodeId{1}, NodeId{2}, NodeId{3}};
  world.add(1, voters);
  world.add(2, voters);
  world.run(milliseconds(5000));
  EXPECT_EQ(world.status(1).last, Index{0});
  world.add(3, voters);
  world.commit("a");
}

TEST(Node, voters_that_are_configured_differently_begin_nothing) {
  World world(1);
  world.add(1, {NodeId{1}, NodeId{2}});
  world.add(2, {NodeId{1}, NodeId{2}, NodeId{3}});
  world.run(milliseconds(5000));
  EXPECT_EQ(world.status(1).last, Index{0});
}

// The voter that began the cluster asks again when it comes back without its disk, and hears that there is one.
TEST(Node, a_voter_that_lost_its_disk_neither_votes_nor_begins_another_cluster) {
  for (const int lost : {1, 2, 3}) {
    World world(static_cast<uint64_t>(lost));
    world.start(3);
    const Index index = world.commit("a");
    const Member old = world.peer(lost).self;
    world.lose_disk(lost);
    // One of the two others is enough for nothing, with the one that came back empty as well.
    const int other = lost == 3 ? 2 : 3;
    world.crash(other, false);
    world.run(milliseconds(3000));
    const int alone = 6 - lost - other;
    EXPECT_NE(world.status(alone).state.role, Role::leader);
    EXPECT_NE(world.status(lost).state.role, Role::leader);
    world.open(other);
    EXPECT_GT(world.commit("b"), index);
    // It follows meanwhile, and becomes a voter under its new name once the old one is gone.
    EXPECT_TRUE(world.run_until([&] { return world.machine(lost).lines == std::vector<std::string>{"a", "b"}; }));
    world.change_until_done(Kind::remove, old);
    world.change_until_done(Kind::add_learner, world.peer(lost).self);
    world.change_until_done(Kind::promote, world.peer(lost).self);
    world.crash(other, false);
    world.commit("c");
  }
}

TEST(Node, a_voter_that_began_alone_and_lost_its_disk_asks_those_that_came_later) {
  World world(1);
  world.start(1);
  world.add(2, {});
  world.add(3, {});
  for (const int at : {2, 3}) {
    world.change_until_done(Kind::add_learner, world.peer(at).self);
    world.change_until_done(Kind::promote, world.peer(at).self);
  }
  const Index index = world.commit("a");
  world.lose_disk(1);
  world.run(milliseconds(2000));
  EXPECT_GT(world.commit("b"), index);
  EXPECT_TRUE(world.run_until([&] { return world.machine(1).lines == std::vector<std::string>{"a", "b"}; }));
}

TEST(Node, proposals_are_refused_by_who_does_not_lead_and_after_one_that_was) {
  World world(1);
  world.tune = [](NodeOptions& options) { options.core.entry_bytes_max = 100; };
  world.start(3);
  world.commit("a");
  const int leader = world.leader();
  const int follower = leader == 1 ? 2 : 1;
  const Term term = world.machine(leader).told.term;
  std::vector<std::pair<std::string, Result<Index>>> answers;
  const auto propose = [&](int at, Tenure tenure, const std::string& text) {
    world.peer(at).node->propose(tenure, {Bytes::copy_of(text)},
                                 [&answers, text](Result<Index> result) { answers.emplace_back(text, result); });
  };
  const auto code = [&](size_t at) { return answers.at(at).second ? Errc::io : answers.at(at).second.error().code; };
  propose(follower, {term, 5}, "to a follower");
  world.run(milliseconds(100));
  propose(leader, {term.previous(), 5}, "of another term");
  propose(leader, {term, 5}, std::string(101, 'x'));
  propose(leader, {term, 5}, "rests on it");
  propose(leader, {term, 6}, "anew");
  world.run(milliseconds(100));
  ASSERT_EQ(answers.size(), 5u);
  EXPECT_EQ(code(0), Errc::not_controller);
  EXPECT_EQ(code(1), Errc::not_controller);
  EXPECT_EQ(code(2), Errc::message_too_large);
  EXPECT_EQ(code(3), Errc::conflict);
  EXPECT_TRUE(answers[4].second);
}

TEST(Node, a_leader_that_is_cut_off_says_that_it_does_not_know) {
  World world(1);
  world.start(3);
  world.commit("a");
  const int old = world.leader();
  world.isolate(old);
  const auto asked = world.propose(old, {"lost"});
  EXPECT_TRUE(world.run_until([&] { return asked->answer.has_value(); }));
  EXPECT_EQ(asked->answer->error().code, Errc::outcome_unknown);
  EXPECT_TRUE(world.run_until([&] { return world.leader() != old && world.leader() != 0; }));
  world.commit("b");
  world.heal();
  EXPECT_TRUE(world.run_until([&] { return world.machine(old).lines == std::vector<std::string>{"a", "b"}; }));
}

TEST(Node, reads_see_what_was_acknowledged_before_them_on_every_node) {
  World world(3);
  world.start(3);
  for (int i = 0; i < 20; ++i) {
    world.commit(std::to_string(i));
    for (int at = 1; at <= 3; ++at) {
      const auto asked = world.read(at);
      EXPECT_TRUE(world.run_until([&] { return asked->answer.has_value(); }));
      EXPECT_TRUE(*asked->answer);
    }
  }
}

TEST(Node, leadership_is_handed_over) {
  World world(1);
  world.start(3);
  world.commit("a");
  const int old = world.leader();
  const auto outcome = world.transfer(old, std::nullopt);
  EXPECT_TRUE(world.run_until([&] { return world.leader() != old && world.leader() != 0; }, milliseconds(200)));
  EXPECT_EQ(*outcome, Outcome::done);
  world.commit("b");
}

TEST(Node, members_come_and_go_from_one_to_five_and_back) {
  World world(5);
  world.start(1);
  world.commit("first");
  for (int at = 2; at <= 5; ++at) world.add(at, {});
  for (int at = 2; at <= 5; ++at) {
    world.change_until_done(Kind::add_learner, world.peer(at).self);
    world.change_until_done(Kind::promote, world.peer(at).self);
    world.commit("with " + std::to_string(at));
  }
  EXPECT_TRUE(world.run_until([&] { return world.status(5).configuration.voters.size() == 5; }));
  for (int at = 5; at >= 2; --at) {
    world.change_until_done(Kind::remove, world.peer(at).self);
    world.commit("without " + std::to_string(at));
  }
  for (int at = 2; at <= 5; ++at) world.crash(at, true);
  world.commit("alone");
  EXPECT_EQ(world.status(1).configuration.voters, (std::vector<Member>{world.peer(1).self}));
}

TEST(Node, shows_how_far_its_followers_are) {
  World world(1);
  world.start(3);
  world.commit("a");
  world.run(milliseconds(200));
  const int leader = world.leader();
  const int behind = leader == 1 ? 2 : 1;
  world.isolate(behind);
  world.commit("b");
  world.run(milliseconds(100));
  const NodeStatus status = world.status(leader);
  EXPECT_EQ(status.state.role, Role::leader);
  EXPECT_EQ(status.commit, status.last);
  ASSERT_EQ(status.followers.size(), 2u);
  for (const NodeStatus::Follower& follower : status.followers) {
    const bool is_behind = follower.member.node == NodeId{behind};
    EXPECT_EQ(follower.match < status.last, is_behind);
    EXPECT_EQ(status.as_of - follower.heard > milliseconds(80), is_behind);
    EXPECT_EQ(follower.caught_up < follower.heard || follower.caught_up < status.as_of, is_behind);
  }
  EXPECT_TRUE(world.status(behind).followers.empty());
}

TEST(Node, shows_learners_and_those_who_only_follow) {
  World world(1);
  world.start(1);
  world.add(2, {});
  world.add(3, {});
  const Index last = world.commit("a");
  using Kinds = std::map<Member, NodeStatus::Follower::Kind>;
  const auto kinds = [&] {
    Kinds seen;
    for (const NodeStatus::Follower& follower : world.status(1).followers) seen.emplace(follower.member, follower.kind);
    return seen;
  };
  using Seen = NodeStatus::Follower::Kind;
  const Member two = world.peer(2).self, three = world.peer(3).self;
  EXPECT_TRUE(world.run_until([&] { return kinds() == Kinds{{two, Seen::observer}, {three, Seen::observer}}; }));
  EXPECT_TRUE(world.run_until([&] { return world.status(1).followers[1].match == last; }));
  world.change_until_done(Kind::add_learner, two);
  EXPECT_TRUE(world.run_until([&] { return kinds() == Kinds{{two, Seen::learner}, {three, Seen::observer}}; }));
  world.change_until_done(Kind::promote, two);
  EXPECT_TRUE(world.run_until([&] { return kinds() == Kinds{{two, Seen::voter}, {three, Seen::observer}}; }));
  world.crash(3, true);
  EXPECT_TRUE(world.run_until([&] { return kinds() == Kinds{{two, Seen::voter}}; })) << "it fell silent";
}

TEST(Node, a_follower_that_was_away_for_long_gets_a_snapshot) {
  World world(1);
  world.start(3);
  world.commit("a");
  const int away = world.leader() == 3 ? 2 : 3;
  world.crash(away, false);
  Index last;
  for (int i = 0; i < 300; ++i) last = world.commit("entry " + std::to_string(i));
  EXPECT_GE(world.status(world.leader()).snapshot, Index{200});
  world.open(away);
  EXPECT_TRUE(world.run_until([&] { return world.has_applied(away, last); }));
  EXPECT_EQ(world.machine(away).loads, 1);
  EXPECT_EQ(world.machine(away).lines, world.machine(world.leader()).lines);
  world.crash(away, true);
  world.open(away);
  EXPECT_TRUE(world.run_until([&] { return world.has_applied(away, last); }));
}

TEST(Node, an_error_of_the_disk_ends_it_and_nothing_is_sent_afterwards) {
  for (const Errc code : {Errc::io, Errc::disk_full}) {
    for (uint64_t call = 0; call < 30; ++call) {
      World world(call + 1);
      world.start(3);
      world.commit("a");
      const int at = 1 + static_cast<int>(call % 3);
      const auto waiting = world.up(at) && world.leader() == at ? world.propose(at, {"x"}) : nullptr;
      world.peer(at).disk->fail_call(call, code);
      for (int i = 0; i < 40 && !world.peer(at).fatal; ++i) world.commit("more" + std::to_string(i));
      ASSERT_TRUE(world.peer(at).fatal) << call;
      EXPECT_EQ(world.peer(at).fatal->code, code);
      world.commit("without it");
      world.crash(at, true);
      world.open(at);
      const Index last = world.commit("with it");
      EXPECT_TRUE(world.run_until([&] { return world.has_applied(at, last); }));
    }
  }
}

TEST(Node, an_image_that_cannot_be_loaded_ends_it) {
  World world(1);
  world.start(1);
  for (int i = 0; i < 100; ++i) world.commit(std::to_string(i));
  ASSERT_GT(world.status(1).snapshot, Index{0});
  world.crash(1, false);
  ASSERT_TRUE(world.try_open(1));
  world.machine(1).load_fails = true;
  world.run(milliseconds(500));
  ASSERT_TRUE(world.peer(1).fatal);
  EXPECT_NE(world.peer(1).fatal->context.find("__cluster_metadata-0"), std::string::npos);
}

TEST(Node, a_stop_finishes_what_the_disk_was_given_and_answers_who_waits) {
  World world(1);
  world.start(3);
  world.commit("a");
  const int leader = world.leader();
  world.isolate(leader);
  const auto asked = world.propose(leader, {"b"});
  world.stop(leader);
  ASSERT_TRUE(asked->answer);
  EXPECT_EQ(asked->answer->error().code, Errc::outcome_unknown);
  EXPECT_NE(world.machine(leader).told.role, Role::leader);
  const uint64_t sent = world.messages;
  const auto late = world.propose(leader, {"c"});
  const auto read = world.read(leader);
  world.crash(leader == 1 ? 2 : 1, false);
  world.crash(leader == 3 ? 2 : 3, false);
  world.run(milliseconds(1000));
  EXPECT_EQ(late->answer->error().code, Errc::shutting_down);
  EXPECT_EQ(read->answer->error().code, Errc::shutting_down);
  EXPECT_EQ(world.messages, sent);
}

TEST(Node, messages_beyond_the_inbox_are_dropped_and_counted) {
  World world(1);
  world.tune = [](NodeOptions& options) { options.inbox_messages_max = 3; };
  world.start(1);
  world.commit("a");
  for (int i = 0; i < 10; ++i) {
    world.peer(1).node->deliver(Message{store_member(2), world.peer(1).self, Term{0}, FollowRequest{}});
  }
  EXPECT_EQ(world.status(1).messages_dropped, 7u);
  world.commit("b");
}

}  // namespace
}  // namespace millrace::raft::testing
