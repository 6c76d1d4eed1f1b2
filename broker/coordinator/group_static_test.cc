#include "broker/coordinator/group_test_support.h"

namespace millrace::coordinator {
namespace {

using namespace std::chrono_literals;
using E = GroupErrc;

class StaticMemberTest : public GroupTest {
 protected:
  // A stable group of the static members "i0" (leads) and "i1".
  std::vector<JoinReply> two() {
    auto a = join({.instance = "i0", .client = "m0"});
    auto b = join({.instance = "i1", .client = "m1"});
    advance(6s);
    return settle({a, b});
  }
};

TEST_F(StaticMemberTest, needs_no_known_id_and_is_named_by_its_instance) {
  auto a = join({.instance = "i0", .v4 = true});
  advance(3s);
  EXPECT_TRUE(now(a).member_id.starts_with("i0-"));
}

TEST_F(StaticMemberTest, comes_back_without_a_rebalance_and_its_old_id_is_fenced) {
  auto members = two();
  auto back = now(join({.instance = "i1"}));
  EXPECT_EQ(back.error, E::none);
  EXPECT_EQ(back.generation, Generation{1});
  EXPECT_NE(back.member_id, members[1].member_id);
  EXPECT_FALSE(back.skip_assignment);
  EXPECT_EQ(state(), "Stable");
  EXPECT_EQ(heartbeat(members[1].member_id, 1, "i1"), E::fenced_instance_id);
  EXPECT_EQ(now(sync(members[1], {}, "i1")).error, E::fenced_instance_id);
  EXPECT_EQ(leave({{members[1].member_id, "i1"}}).at(0), E::fenced_instance_id);
  EXPECT_EQ(now(join({.member_id = members[1].member_id, .instance = "i1"})).error, E::fenced_instance_id);
  EXPECT_EQ(now(sync(back, {}, "i1")).assignment.text(), "a1") << "it keeps what it had";
}

TEST_F(StaticMemberTest, a_leader_that_comes_back_skips_the_assignment_or_is_told_that_another_leads) {
  auto members = two();
  ASSERT_EQ(members[0].leader, members[0].member_id);
  auto new_client = now(join({.instance = "i0", .v9 = true}));
  EXPECT_TRUE(new_client.skip_assignment);
  EXPECT_EQ(new_client.members.size(), 2u);
  EXPECT_EQ(new_client.leader, new_client.member_id);
  auto old_client = now(join({.instance = "i0"}));
  EXPECT_FALSE(old_client.skip_assignment);
  EXPECT_TRUE(old_client.members.empty());
  EXPECT_EQ(old_client.leader, new_client.member_id);
  EXPECT_EQ(state(), "Stable");
}

TEST_F(StaticMemberTest, comes_back_with_other_protocols_and_all_rebalance) {
  auto a = join({.instance = "i0", .protocols = {{"range", "m"}, {"sticky", "m"}}, .client = "m0"});
  auto b = join({.instance = "i1", .protocols = {{"range", "m"}, {"sticky", "m"}}, .client = "m1"});
  advance(6s);
  settle({a, b});
  auto back = join({.instance = "i1", .protocols = {{"sticky", "m"}}});
  EXPECT_TRUE(waits(back));
  EXPECT_EQ(state(), "PreparingRebalance");
}

TEST_F(StaticMemberTest, who_waits_under_the_old_id_is_fenced) {
  auto first = join({.instance = "i0"});
  auto second = join({.instance = "i0"});
  EXPECT_EQ(now(first).error, E::fenced_instance_id);
  advance(3s);
  EXPECT_EQ(now(second).error, E::none);
  EXPECT_EQ(describe().members.size(), 1u);
}

TEST_F(StaticMemberTest, unknown_instances_are_refused) {
  auto members = two();
  EXPECT_EQ(heartbeat(members[0].member_id, 1, "i7"), E::unknown_member_id);
  EXPECT_EQ(now(join({.member_id = members[0].member_id, .instance = "i7"})).error, E::unknown_member_id);
  EXPECT_EQ(leave({{"", "i7"}}).at(0), E::unknown_member_id);
}

TEST_F(StaticMemberTest, an_administrator_removes_it_by_its_instance) {
  two();
  EXPECT_EQ(leave({{"", "i1"}}).at(0), E::none);
  EXPECT_EQ(state(), "PreparingRebalance");
  EXPECT_EQ(describe().members.size(), 1u);
}

TEST_F(StaticMemberTest, that_does_not_rejoin_keeps_its_place_until_its_session_ends) {
  auto a = join({.instance = "i0", .session = 100s, .rebalance = 20s});
  auto b = join({.instance = "i1", .session = 100s, .rebalance = 20s});
  advance(6s);
  auto members = settle({a, b});
  auto c = join({.session = 100s, .rebalance = 20s});
  advance(20s);
  EXPECT_EQ(now(c).generation, Generation{2});
  EXPECT_EQ(now(c).leader, now(c).member_id) << "of those that are there";
  EXPECT_EQ(now(c).members.size(), 3u);
}

TEST_F(StaticMemberTest, while_none_of_them_is_back_the_join_phase_goes_on_until_their_sessions_end) {
  auto a = join({.instance = "i0", .session = 30s, .rebalance = 20s});
  auto b = join({.session = 30s, .rebalance = 20s});
  advance(6s);
  settle({a, b});
  leave(now(b).member_id);
  EXPECT_EQ(state(), "PreparingRebalance");
  advance(20s);
  EXPECT_EQ(state(), "PreparingRebalance") << "postponed";
  advance(10s);
  EXPECT_EQ(state(), "Empty");
}

TEST_F(StaticMemberTest, comes_back_after_a_restart_of_the_broker) {
  auto members = two();
  restart();
  EXPECT_EQ(heartbeat(members[0].member_id, 1, "i0"), E::none);
  EXPECT_EQ(now(join({.instance = "i1"})).generation, Generation{1});
  EXPECT_EQ(heartbeat(members[1].member_id, 1, "i1"), E::fenced_instance_id);
  restart();
  EXPECT_EQ(heartbeat(members[1].member_id, 1, "i1"), E::fenced_instance_id) << "the replacement was logged";
}

}  // namespace
}  // namespace millrace::coordinator
