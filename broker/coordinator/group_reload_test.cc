#include <random>

#include "broker/coordinator/group_test_support.h"

namespace millrace::coordinator {
namespace {

using namespace std::chrono_literals;
using E = GroupErrc;

TEST_F(GroupTest, a_restart_keeps_members_generation_assignments_and_offsets) {
  auto members = stable(2);
  commit("t", 7, members[0].member_id, 1);
  const auto before = describe();
  restart();
  const auto after = describe();
  EXPECT_EQ(after.state, "Stable");
  ASSERT_EQ(after.members.size(), before.members.size());
  for (size_t i = 0; i < after.members.size(); ++i) {
    EXPECT_EQ(after.members[i].id, before.members[i].id);
    EXPECT_EQ(after.members[i].assignment, before.members[i].assignment);
    EXPECT_EQ(after.members[i].metadata, before.members[i].metadata);
  }
  EXPECT_EQ(committed("t"), 7);
  EXPECT_EQ(heartbeat(members[0].member_id, 1), E::none);
  EXPECT_EQ(heartbeat(members[1].member_id, 1), E::none);
}

TEST_F(GroupTest, sessions_begin_anew_after_a_restart) {
  auto members = stable(1);
  advance(9s);
  restart();
  advance(9s);
  EXPECT_EQ(heartbeat(members[0].member_id, 1), E::none);
  advance(10s);
  EXPECT_EQ(state(), "Empty");
}

// The state after a replay of the log is the state before it, whatever happened, wherever the group logs all it is.
TEST_F(GroupTest, random_histories_reload_to_the_same_state) {
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    groups->stop();
    log = std::make_shared<MemoryLog>();
    open();
    std::mt19937 random(seed);
    const auto pick = [&](size_t below) { return static_cast<size_t>(random()) % below; };
    std::vector<std::string> ids;
    std::vector<Pending<JoinReply>> joins;
    int32_t generation = 0;
    for (int step = 0; step < 300; ++step) {
      for (const auto& pending : joins) {
        if (waits(pending) || now(pending).error != E::none) continue;
        const JoinReply reply = now(pending);
        ids.push_back(reply.member_id);
        generation = std::max(generation, reply.generation.value());
        if (pick(8) == 0) continue;  // never syncs
        Assignments assignments;
        for (const JoinedMember& member : reply.members) assignments.emplace_back(member.id, "a" + member.id);
        sync(reply, assignments);
      }
      std::erase_if(joins, [](const auto& pending) { return !waits(pending); });
      const std::string id = ids.empty() ? "" : ids[pick(ids.size())];
      switch (pick(9)) {
        case 0:
          joins.push_back(join({.client = "m" + std::to_string(step)}));
          break;
        case 1:
          joins.push_back(join({.instance = "i" + std::to_string(pick(3))}));
          break;
        case 2:
          joins.push_back(join({.member_id = id, .protocols = {{"range", std::to_string(step)}}}));
          break;
        case 3:
          joins.push_back(join({.v4 = true}));
          break;
        case 4:
          leave(id);
          break;
        case 5:
          commit("t" + std::to_string(pick(3)), step, id, generation);
          break;
        case 6:
          commit("t" + std::to_string(pick(3)), step);
          break;
        case 7:
          if (pick(10) == 0) remove();
          break;
        default:
          for (const std::string& member : ids) heartbeat(member, generation);
          advance(Millis(pick(4000)));
      }
      const GroupDescription live = describe();
      if (live.state != "Stable" && live.state != "Dead") continue;
      const Groups replayed = log->replay(config);
      EXPECT_EQ(replayed.unreadable_records(), 0u);
      const Group* group = replayed.find(kG);
      ASSERT_EQ(group != nullptr, live.state == "Stable") << "step " << step;
      if (group == nullptr) continue;
      EXPECT_EQ(group->members.size(), live.members.size()) << "step " << step;
      for (const DescribedMember& member : live.members) {
        const Member* found = group->find(member.id);
        ASSERT_NE(found, nullptr) << "step " << step;
        EXPECT_EQ(found->instance_id, member.instance_id);
        EXPECT_EQ(found->assignment, member.assignment);
        EXPECT_EQ(*found->metadata(live.protocol), member.metadata);
      }
      // A whole replay on top of a replay changes nothing.
      Groups twice = log->replay(config);
      for (const machine::Record& record : log->records) twice.apply(Offset{0}, record);
      EXPECT_TRUE(same_logged_state(replayed, twice));
    }
    EXPECT_TRUE(failures.empty());
  }
}

TEST_F(GroupTest, replies_wait_for_the_commit_of_what_they_rest_on) {
  auto a = join({});
  advance(3s);
  log->holds_commits = true;
  auto assigned = sync(now(a), {{now(a).member_id, "x"}});
  EXPECT_TRUE(waits(assigned));
  log->commit_held();
  EXPECT_EQ(now(assigned).assignment.text(), "x");
}

TEST_F(GroupTest, a_failing_log_fails_what_waits_and_the_state_is_rebuilt) {
  const std::pair<Errc, E> table[] = {{Errc::not_enough_replicas, E::coordinator_not_available},
                                      {Errc::timed_out, E::coordinator_not_available},
                                      {Errc::unknown_topic_or_partition, E::coordinator_not_available},
                                      {Errc::not_leader, E::not_coordinator},
                                      {Errc::storage_offline, E::not_coordinator}};
  auto members = stable(1);
  commit("t", 1, members[0].member_id, 1);
  for (const auto& [cause, seen] : table) {
    SCOPED_TRACE(to_string(cause));
    auto waiting = join({});
    log->fails_with = cause;
    EXPECT_EQ(commit("t", 99, members[0].member_id, 1), seen);
    EXPECT_EQ(now(waiting).error, seen) << "who waits is not forgotten";
    EXPECT_EQ(failures.back(), cause);
    EXPECT_EQ(commit("t", 99, members[0].member_id, 1), E::coordinator_load_in_progress);
    EXPECT_EQ(heartbeat(members[0].member_id, 1), E::none) << "nobody is thrown out while it is loaded";
    log->fails_with.reset();
    load();
    EXPECT_EQ(committed("t"), 1);
    EXPECT_EQ(state(), "Stable");
  }
  EXPECT_EQ(metrics.append_failures.value(), 5u);
}

TEST_F(GroupTest, an_append_that_fails_later_answers_everything_that_rests_on_it) {
  auto members = stable(1);
  log->holds_commits = true;
  log->fails_with = Errc::io;
  auto waiting = join({});
  EXPECT_FALSE(waiting->has_value());
  auto pending = std::make_shared<std::optional<CommitReply>>();
  CommitCommand command;
  command.group = kG;
  command.member_id = members[0].member_id;
  command.generation = Generation{1};
  command.items.push_back({"t", PartitionIndex{0}, Offset{1}, kNoLeaderEpoch, ""});
  groups->commit_offsets(std::move(command), [pending](CommitReply reply) { *pending = std::move(reply); });
  EXPECT_TRUE(waits(pending));
  log->commit_held();
  EXPECT_EQ(now(pending).items.at(0), E::not_coordinator);
  EXPECT_EQ(now(waiting).error, E::not_coordinator);
}

}  // namespace
}  // namespace millrace::coordinator
