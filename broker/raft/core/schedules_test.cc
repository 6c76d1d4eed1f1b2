// Schedules that break a quorum which lacks a rule: each drives three or five cores message by message to the place.
#include <gtest/gtest.h>

#include "broker/raft/core/world_test_support.h"

namespace millrace::raft::testing {
namespace {

const AppendRequest* append_from(const Message& message, int from) {
  return message.from == member(from) ? std::get_if<AppendRequest>(&message.body) : nullptr;
}
bool carries_entries(const Message& message, int from, int to = -1) {
  const auto* append = append_from(message, from);
  return append != nullptr && !append->entries.empty() && (to < 0 || message.to == member(to));
}

// One entry in a message, so that the no-op of a term can be told from what lies before it.
class Schedule : public ::testing::Test {
 protected:
  void start(int voters) {
    world.tune = [](Options& options) { options.message_entries_max = 1; };
    world.start(voters);
    ASSERT_TRUE(world.elect(0));
    ASSERT_TRUE(world.run_until([&] { return all_committed(Index{2}); }));
  }
  bool all_committed(Index index) {
    return std::all_of(world.nodes().begin(), world.nodes().end(),
                       [&](const auto& of) { return of.second.core == nullptr || of.second.core->commit() >= index; });
  }
  bool deposed(int at) {
    return world.run_until([&] { return world.core(at).state().role != Role::leader; });
  }
  World world;
};

class Figure8 : public Schedule {
 protected:
  // S0 leads again, in its third term; A, of its first, is durable on S0 and S1. Whether the no-op of the new term gets
  // through is the difference between the two runs.
  void until_old_entry_has_a_majority(bool with_no_op) {
    start(3);
    world.cut(0, 1);
    world.cut(0, 2);
    a = world.propose(0, "A");
    ASSERT_TRUE(deposed(0));
    world.hold = [](const Message& message) { return append_from(message, 2) != nullptr; };
    ASSERT_TRUE(world.elect(2));
    world.cut(1, 2);
    world.propose(2, "B");
    ASSERT_TRUE(deposed(2));
    world.heal(0, 1);
    world.hold = [with_no_op](const Message& message) {
      const auto* append = append_from(message, 0);
      return !with_no_op && append != nullptr && !append->entries.empty() && append->entries[0].term == message.term;
    };
    ASSERT_TRUE(world.elect(0));
    ASSERT_TRUE(world.run_until([&] { return world.core(0).progress_of(member(1))->match >= Index{3}; }));
    ASSERT_EQ(world.node(1).disk.entries[2].payload.text(), "A");
    world.run(milliseconds(200));
    ASSERT_EQ(world.core(0).state().role, Role::leader);
  }
  void lose_leader() {
    world.crash(0);
    world.cut(0, 1);
    world.hold = {};
    world.heal(1, 2);
  }
  RequestId a;
};

TEST_F(Figure8, an_old_entry_does_not_commit_by_counting) {
  until_old_entry_has_a_majority(false);
  EXPECT_LT(world.core(0).commit(), Index{3});
  EXPECT_FALSE(world.has_applied(0, "A") || world.has_applied(1, "A"));
  EXPECT_FALSE(world.succeeded(a));
  lose_leader();
  ASSERT_TRUE(world.elect(2));
  world.run(milliseconds(300));
  world.propose(2, "C");
  world.run(milliseconds(300));
  const std::vector<std::string> expected{"B", "C"};
  EXPECT_EQ(world.node(1).payloads, expected);
  EXPECT_EQ(world.node(2).payloads, expected);
  world.restart(0);
  world.heal();
  world.run(milliseconds(500));
  EXPECT_EQ(world.node(0).payloads, expected);
  EXPECT_FALSE(world.succeeded(a));
}

TEST_F(Figure8, with_an_entry_of_the_new_term_on_top_it_commits_and_the_other_log_cannot_win) {
  until_old_entry_has_a_majority(true);
  EXPECT_TRUE(world.has_applied(0, "A") && world.has_applied(1, "A"));
  lose_leader();
  EXPECT_FALSE(world.elect(2));
  ASSERT_TRUE(world.elect(1));
  world.run(milliseconds(300));
  EXPECT_TRUE(world.has_applied(2, "A"));
  EXPECT_FALSE(world.has_applied(2, "B"));
}

class StaleAcknowledgement : public Schedule {
 protected:
  // S0 comes back with three entries of its own to S2, whose log is shorter, and has just heard its first heartbeat.
  void until_old_leader_follows(bool first_variant) {
    start(3);
    world.cut(0, 1);
    world.cut(0, 2);
    for (const char* payload : {"A1", "A2", "A3"}) lost.push_back(world.propose(0, payload));
    ASSERT_TRUE(deposed(0));
    ASSERT_TRUE(world.elect(2));
    ASSERT_TRUE(world.run_until([&] { return world.core(1).commit() >= Index{3}; }));
    world.run(milliseconds(300));
    ASSERT_EQ(world.core(2).log().last(), Index{3});
    if (first_variant) world.cut(1, 2);
    world.hold = [](const Message& message) { return carries_entries(message, 2, 0); };
    world.heal(0, 2);
    if (!first_variant) world.heal(0, 1);
    ASSERT_TRUE(world.run_until([&] { return world.core(0).state().leader == member(2); }));
    term = world.core(2).state().term;
    b1 = world.propose(2, "B1");
    ASSERT_TRUE(world.run_until([&] { return world.core(2).progress_of(member(0))->match >= Index{2}; }));
    EXPECT_EQ(world.core(2).progress_of(member(0))->match, Index{2});
    world.run(milliseconds(20));
    EXPECT_EQ(world.core(2).progress_of(member(0))->match, Index{2});
  }
  void expect_only_b1(int at) {
    for (const char* payload : {"A1", "A2", "A3"}) EXPECT_FALSE(world.has_applied(at, payload));
    EXPECT_TRUE(world.has_applied(at, "B1"));
  }
  void replace_leader_by(int at) {
    world.crash(2);
    world.isolate(2);
    world.hold = {};
    world.heal(0, 1);
    ASSERT_TRUE(world.elect(at));
    world.run(milliseconds(300));
  }
  std::vector<RequestId> lost;
  RequestId b1;
  Term term;
};

TEST_F(StaleAcknowledgement, commits_nothing_with_one_copy) {
  until_old_leader_follows(true);
  EXPECT_LT(world.core(2).commit(), Index{4});
  EXPECT_FALSE(world.succeeded(b1));
  world.hold = {};
  ASSERT_TRUE(world.run_until([&] { return world.succeeded(b1); }));
  ASSERT_EQ(world.node(0).disk.last(), Index{4});
  EXPECT_EQ(world.node(0).disk.entries[3].payload.text(), "B1");
  replace_leader_by(0);
  expect_only_b1(0);
  expect_only_b1(1);
}

TEST_F(StaleAcknowledgement, tells_no_success_when_the_leader_dies_before_the_acknowledgement) {
  until_old_leader_follows(true);
  EXPECT_FALSE(world.succeeded(b1));
  replace_leader_by(1);  // which has the no-op of S2's term: S0's tail is older
  EXPECT_FALSE(world.succeeded(b1));
  for (const int at : {0, 1}) EXPECT_TRUE(world.node(at).payloads.empty());
}

TEST_F(StaleAcknowledgement, leaves_no_follower_behind_under_the_same_leader) {
  until_old_leader_follows(false);
  world.hold = {};
  ASSERT_TRUE(world.run_until([&] { return world.has_applied(0, "B1"); }, milliseconds(300)));
  EXPECT_EQ(world.core(2).state().term, term);
  EXPECT_EQ(world.core(2).state().role, Role::leader);
  for (const RequestId request : lost) EXPECT_EQ(world.answer(request)->outcome, Outcome::unknown);
}

TEST_F(Schedule, a_write_that_ends_under_another_leader_acknowledges_nothing_to_it) {
  start(5);
  world.node(1).disk_held = true;
  world.propose(0, "X");
  ASSERT_TRUE(world.deliver([](const Message& message) { return carries_entries(message, 0, 1); }));
  world.isolate(0);
  world.hold = [](const Message& message) { return carries_entries(message, 2, 1); };
  ASSERT_TRUE(world.elect(2));
  ASSERT_TRUE(world.run_until([&] { return world.core(1).state().leader == member(2); }));
  ASSERT_EQ(world.core(2).log().last(), Index{3});  // its no-op, where X is on S1
  while (!world.node(1).jobs.empty()) world.finish_job(1);
  EXPECT_EQ(world.core(1).durable(), Index{3});
  world.run(milliseconds(200));
  EXPECT_EQ(world.core(2).progress_of(member(1))->match, Index{2});
  world.node(1).disk_held = false;
  world.hold = {};
  world.run(milliseconds(200));
  EXPECT_EQ(world.core(2).progress_of(member(1))->match, Index{3});
}

TEST(CommitStarvation, latency_under_constant_load_does_not_grow) {
  World world;
  world.start(3);
  ASSERT_TRUE(world.elect(0));
  world.run(milliseconds(100));
  world.node(1).disk_time = world.node(2).disk_time = milliseconds(3);
  std::deque<std::pair<RequestId, TimePoint>> waiting;
  Duration longest{};
  for (int i = 0; i < 3000; ++i) {
    for (int k = 0; k < 3; ++k) waiting.emplace_back(world.propose(0, "x"), world.now());
    world.run(milliseconds(1));
    for (; !waiting.empty() && world.succeeded(waiting.front().first); waiting.pop_front()) {
      longest = std::max(longest, world.now() - waiting.front().second);
    }
  }
  EXPECT_LE(longest, milliseconds(10));  // a round trip is two, a disk write three
  EXPECT_LE(waiting.size(), 30u);
}

class BackTracking : public ::testing::Test {
 protected:
  // S0 collects `count` entries nobody else has, in each of `terms` terms; then S1 leads the others.
  void collect(int terms, int count) {
    world.start(3);
    ASSERT_TRUE(world.elect(0));
    world.run(milliseconds(100));
    for (int term = 0; term < terms; ++term) {
      world.isolate(0);
      for (int i = 0; i < count; ++i) world.propose(0, std::string(40, 'a'));
      ASSERT_TRUE(world.run_until([&] { return world.core(0).state().role != Role::leader; }));
      if (term + 1 == terms) break;
      world.heal();
      world.hold = [](const Message& message) { return append_from(message, 0) != nullptr; };
      ASSERT_TRUE(world.elect(0));
    }
    world.isolate(0);
    world.hold = {};
    ASSERT_TRUE(world.elect(1));
  }
  void heal_and_measure() {
    world.rejects = world.sent_bytes = 0;
    const Index last = world.core(1).log().last();
    world.heal();
    ASSERT_TRUE(world.run_until([&] { return world.core(0).applied() >= last; }, milliseconds(300)));
    world.check_logs();
  }
  World world;
};

TEST_F(BackTracking, passes_a_long_conflicting_tail_with_one_probe) {
  collect(1, 3000);
  for (int i = 0; i < 10; ++i) world.propose(1, "b");
  world.run(milliseconds(100));
  heal_and_measure();
  EXPECT_LE(world.rejects, 2u);
  EXPECT_LE(world.sent_bytes, 4000u);
}

TEST_F(BackTracking, passes_a_tail_of_several_terms_with_one_probe_for_each) {
  collect(5, 500);
  for (int i = 0; i < 4000; ++i) world.propose(1, std::string(40, 'b'));
  world.run(milliseconds(100));
  heal_and_measure();
  EXPECT_LE(world.rejects, 7u);
  EXPECT_LE(world.sent_bytes, 4000u * (40 + kEntryOverhead) * 3 / 2);
}

}  // namespace
}  // namespace millrace::raft::testing
