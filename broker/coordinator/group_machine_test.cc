#include "broker/coordinator/group_test_support.h"

namespace millrace::coordinator {
namespace {

using namespace std::chrono_literals;
using E = GroupErrc;

TEST_F(GroupTest, a_first_member_waits_for_the_initial_delay_and_leads) {
  auto a = join({});
  advance(2999ms);
  EXPECT_TRUE(waits(a));
  advance(1ms);
  EXPECT_EQ(now(a).generation, Generation{1});
  EXPECT_EQ(now(a).leader, now(a).member_id);
  EXPECT_EQ(now(a).protocol, "range");
  EXPECT_EQ(now(a).members.size(), 1u);
  EXPECT_EQ(state(), "CompletingRebalance");
}

TEST_F(GroupTest, members_that_keep_coming_extend_the_initial_delay_up_to_the_rebalance_timeout) {
  auto a = join({.rebalance = 8s});
  advance(2s);
  auto b = join({.rebalance = 8s});
  advance(1s);
  EXPECT_TRUE(waits(a)) << "extended at 3 s";
  advance(2s);
  auto c = join({.rebalance = 8s});
  advance(1s);
  EXPECT_TRUE(waits(a)) << "extended at 6 s, by the 2 s that are left";
  join({.rebalance = 8s});
  advance(1999ms);
  EXPECT_TRUE(waits(a));
  advance(1ms);
  EXPECT_FALSE(waits(a));
  EXPECT_EQ(now(a).members.size() + now(b).members.size() + now(c).members.size(), 4u) << "only the leader is told";
}

TEST_F(GroupTest, without_an_initial_delay_a_first_member_is_answered_at_once) {
  config.initial_rebalance_delay = 0ms;
  restart();
  EXPECT_EQ(now(join({})).generation, Generation{1});
}

TEST_F(GroupTest, joins_are_refused_for_what_is_wrong_with_them) {
  EXPECT_EQ(now(join({.group = ""})).error, E::invalid_group_id);
  EXPECT_EQ(now(join({.session = 5999ms})).error, E::invalid_session_timeout);
  EXPECT_EQ(now(join({.session = 1'800'001ms})).error, E::invalid_session_timeout);
  EXPECT_EQ(now(join({.protocols = {}})).error, E::inconsistent_group_protocol);
  EXPECT_EQ(now(join({.type = ""})).error, E::inconsistent_group_protocol);
  EXPECT_EQ(now(join({.member_id = "nobody"})).error, E::unknown_member_id);
  EXPECT_EQ(now(join({.instance = std::string(250, 'x')})).error, E::invalid_request);
  EXPECT_TRUE(list().empty()) << "nothing is left of them";
  stable(1);
  EXPECT_EQ(now(join({.protocols = {{"sticky", ""}}})).error, E::inconsistent_group_protocol);
  EXPECT_EQ(now(join({.type = "connect"})).error, E::inconsistent_group_protocol);
  EXPECT_EQ(now(join({.member_id = "nobody"})).error, E::unknown_member_id);
}

TEST_F(GroupTest, a_new_member_of_version_4_first_gets_an_id_and_the_rebalance_waits_for_it) {
  auto refused = now(join({.v4 = true, .client = "app"}));
  EXPECT_EQ(refused.error, E::member_id_required);
  EXPECT_TRUE(refused.member_id.starts_with("app-"));
  auto a = join({.member_id = refused.member_id, .v4 = true});
  advance(3s);
  EXPECT_EQ(now(a).member_id, refused.member_id);
}

TEST_F(GroupTest, an_id_that_was_given_out_and_not_used_expires_with_the_session) {
  auto id = now(join({.v4 = true})).member_id;
  advance(10s);
  EXPECT_EQ(now(join({.member_id = id, .v4 = true})).error, E::unknown_member_id);
  EXPECT_TRUE(list().empty());
}

TEST_F(GroupTest, a_rebalance_waits_for_ids_that_were_given_out) {
  auto members = stable(1);
  auto pending = now(join({.v4 = true})).member_id;
  auto b = join({});
  auto a = join({.member_id = members[0].member_id});
  EXPECT_TRUE(waits(a));
  auto c = join({.member_id = pending, .v4 = true});
  EXPECT_EQ(now(a).generation, Generation{2});
  EXPECT_EQ(now(c).generation, Generation{2});
  EXPECT_FALSE(waits(b));
}

TEST_F(GroupTest, followers_get_their_assignment_when_the_leader_sends_it) {
  auto a = join({});
  auto b = join({});
  advance(6s);
  auto follower = now(a).leader == now(a).member_id ? now(b) : now(a);
  auto leader = now(a).leader == now(a).member_id ? now(a) : now(b);
  auto waiting = sync(follower);
  EXPECT_TRUE(waits(waiting));
  auto own = sync(leader, {{leader.member_id, "L"}, {follower.member_id, "F"}});
  EXPECT_EQ(now(own).assignment.text(), "L");
  EXPECT_EQ(now(waiting).assignment.text(), "F");
  EXPECT_EQ(now(waiting).protocol, "range");
  EXPECT_EQ(state(), "Stable");
  EXPECT_EQ(now(sync(follower)).assignment.text(), "F") << "again, from the stable group";
}

TEST_F(GroupTest, a_member_the_leader_left_out_gets_empty_bytes) {
  auto a = join({});
  advance(3s);
  EXPECT_EQ(now(sync(now(a), {})).assignment.size(), 0u);
  EXPECT_EQ(now(sync(now(a), {})).error, E::none);
}

TEST_F(GroupTest, sync_is_refused_for_what_is_wrong_with_it) {
  auto a = stable(1)[0];
  auto wrong = a;
  wrong.generation = Generation{7};
  EXPECT_EQ(now(sync(wrong)).error, E::illegal_generation);
  wrong = a;
  wrong.member_id = "nobody";
  EXPECT_EQ(now(sync(wrong)).error, E::unknown_member_id);
  join({});
  EXPECT_EQ(now(sync(a)).error, E::rebalance_in_progress);
}

TEST_F(GroupTest, heartbeats_tell_the_state_and_refusals_name_the_reason) {
  EXPECT_EQ(heartbeat("nobody", 1), E::unknown_member_id);
  auto a = stable(1)[0];
  EXPECT_EQ(heartbeat(a.member_id, 1), E::none);
  EXPECT_EQ(heartbeat(a.member_id, 2), E::illegal_generation);
  EXPECT_EQ(heartbeat("nobody", 1), E::unknown_member_id);
  join({});
  EXPECT_EQ(heartbeat(a.member_id, 1), E::rebalance_in_progress);
  advance(9s);
  EXPECT_EQ(heartbeat(a.member_id, 1), E::rebalance_in_progress);
  advance(9s);
  EXPECT_EQ(heartbeat(a.member_id, 1), E::rebalance_in_progress) << "each of them kept the session";
}

TEST_F(GroupTest, the_protocol_that_most_members_prefer_wins_among_the_common_ones) {
  config.initial_rebalance_delay = 0ms;
  restart();
  auto a = now(join({.protocols = {{"range", "a"}, {"roundrobin", "a"}, {"sticky", "a"}}}));
  auto b = join({.protocols = {{"roundrobin", "b"}, {"range", "b"}}});
  auto c = join({.protocols = {{"roundrobin", "c"}, {"range", "c"}}});
  auto again = join({.member_id = a.member_id, .protocols = {{"sticky", "a"}, {"range", "a"}, {"roundrobin", "a"}}});
  EXPECT_EQ(now(again).protocol, "roundrobin");
  EXPECT_EQ(now(b).protocol, "roundrobin");
  EXPECT_EQ(now(again).members.size(), 3u);
  EXPECT_EQ(now(again).leader, a.member_id) << "a leader that rejoins stays it";
  EXPECT_FALSE(waits(c));
}

TEST_F(GroupTest, a_follower_that_rejoins_unchanged_is_told_the_generation_and_nobody_is_disturbed) {
  auto members = stable(2);
  const JoinReply& follower = members[0].leader == members[0].member_id ? members[1] : members[0];
  auto again = now(join({.member_id = follower.member_id, .client = "x"}));
  EXPECT_EQ(again.generation, Generation{1});
  EXPECT_TRUE(again.members.empty());
  EXPECT_EQ(state(), "Stable");
}

TEST_F(GroupTest, a_leader_that_rejoins_or_a_member_that_changes_makes_a_rebalance) {
  for (bool leads : {true, false}) {
    auto members = stable(2);
    const JoinReply& who = (members[0].leader == members[0].member_id) == leads ? members[0] : members[1];
    auto waiting = join({.member_id = who.member_id, .protocols = {{"range", leads ? "m" : "changed"}}});
    EXPECT_TRUE(waits(waiting)) << leads;
    EXPECT_EQ(state(), "PreparingRebalance");
    leave(who.member_id);
    for (const JoinReply& member : members) leave(member.member_id);
    advance(20s);
    EXPECT_EQ(now(waiting).error, E::unknown_member_id) << "it left while it waited";
    EXPECT_EQ(state(), "Empty");
    remove();
  }
}

TEST_F(GroupTest, in_the_sync_phase_an_unchanged_rejoin_repeats_the_answer_and_a_changed_one_rebalances) {
  auto a = join({});
  advance(3s);
  auto again = now(join({.member_id = now(a).member_id}));
  EXPECT_EQ(again.generation, Generation{1});
  EXPECT_EQ(again.members.size(), 1u) << "it leads";
  auto changed = now(join({.member_id = now(a).member_id, .protocols = {{"range", "other"}}}));
  EXPECT_EQ(changed.generation, Generation{2});
}

TEST_F(GroupTest, a_new_member_makes_those_who_wait_for_assignments_rejoin) {
  auto a = join({});
  auto b = join({});
  advance(6s);
  auto follower = now(a).leader == now(a).member_id ? now(b) : now(a);
  auto waiting = sync(follower);
  join({});
  EXPECT_EQ(now(waiting).error, E::rebalance_in_progress);
}

TEST_F(GroupTest, members_that_do_not_rejoin_in_time_are_removed) {
  auto members = stable(2);
  auto c = join({.rebalance = 60s});
  auto a = join({.member_id = members[0].member_id});
  for (int i = 0; i < 12; ++i) {
    EXPECT_TRUE(waits(c));
    EXPECT_EQ(heartbeat(members[1].member_id, 1), E::rebalance_in_progress);
    advance(5s);
  }
  EXPECT_EQ(now(c).generation, Generation{2});
  EXPECT_EQ(now(a).members.size() + now(c).members.size(), 2u);
  EXPECT_EQ(heartbeat(members[1].member_id, 2), E::unknown_member_id);
}

TEST_F(GroupTest, a_silent_member_is_removed_when_its_session_ends) {
  auto members = stable(2);
  advance(9s);
  EXPECT_EQ(heartbeat(members[0].member_id, 1), E::none);
  advance(1s);
  EXPECT_EQ(heartbeat(members[1].member_id, 1), E::unknown_member_id);
  EXPECT_EQ(heartbeat(members[0].member_id, 1), E::rebalance_in_progress);
  auto again = now(join({.member_id = members[0].member_id}));
  EXPECT_EQ(again.generation, Generation{2});
  EXPECT_EQ(again.leader, again.member_id);
  EXPECT_EQ(metrics.members_expired.value(), 1u);
}

TEST_F(GroupTest, members_that_never_sync_are_removed_after_the_rebalance_timeout) {
  auto a = join({.session = 600s, .rebalance = 20s});
  auto b = join({.session = 600s, .rebalance = 20s});
  advance(6s);
  auto leader = now(a).leader == now(a).member_id ? now(a) : now(b);
  auto waiting = sync(leader.member_id == now(a).member_id ? now(b) : now(a));
  advance(20s);
  EXPECT_EQ(now(waiting).error, E::rebalance_in_progress);
  EXPECT_EQ(heartbeat(leader.member_id, 1), E::unknown_member_id);
}

TEST_F(GroupTest, a_follower_that_never_syncs_is_removed_from_a_stable_group_too) {
  auto a = join({.session = 600s, .rebalance = 20s});
  auto b = join({.session = 600s, .rebalance = 20s});
  advance(6s);
  auto leader = now(a).leader == now(a).member_id ? now(a) : now(b);
  sync(leader);
  EXPECT_EQ(state(), "Stable");
  advance(20s);
  EXPECT_EQ(state(), "PreparingRebalance");
  EXPECT_EQ(describe().members.size(), 1u);
}

TEST_F(GroupTest, a_member_that_waits_in_a_join_keeps_its_place_but_a_new_one_not_for_ever) {
  auto members = stable(1);
  auto b = join({.session = 10s, .rebalance = 1000s});
  for (int i = 0; i < 59; ++i) {
    advance(5s);
    heartbeat(members[0].member_id, 1);
  }
  EXPECT_TRUE(waits(b)) << "295 s";
  advance(5s);
  EXPECT_EQ(now(b).error, E::unknown_member_id);
}

TEST_F(GroupTest, leaving_frees_the_place_at_once_and_the_last_one_leaves_an_empty_group) {
  auto members = stable(2);
  EXPECT_EQ(leave("nobody"), E::unknown_member_id);
  EXPECT_EQ(leave(members[0].member_id), E::none);
  EXPECT_EQ(state(), "PreparingRebalance");
  EXPECT_EQ(leave(members[1].member_id), E::none);
  EXPECT_EQ(state(), "Empty");
  EXPECT_EQ(describe().protocol_type, "consumer");
}

TEST_F(GroupTest, several_members_leave_with_one_request_and_each_gets_its_own_answer) {
  auto members = stable(2);
  EXPECT_EQ(leave({{members[0].member_id, {}}, {"nobody", {}}, {members[1].member_id, {}}}),
            (std::vector{E::none, E::unknown_member_id, E::none}));
  EXPECT_EQ(state(), "Empty");
}

TEST_F(GroupTest, leaving_before_using_an_id_that_was_given_out_frees_the_rebalance) {
  auto members = stable(1);
  auto pending = now(join({.v4 = true})).member_id;
  auto a = join({.member_id = members[0].member_id});
  EXPECT_TRUE(waits(a));
  EXPECT_EQ(leave(pending), E::none);
  EXPECT_EQ(now(a).generation, Generation{2});
}

TEST_F(GroupTest, a_full_group_refuses_one_more) {
  config.group_size_max = 2;
  restart();
  auto members = stable(2);
  EXPECT_EQ(now(join({})).error, E::group_max_size_reached);
  EXPECT_EQ(now(join({.v4 = true})).error, E::group_max_size_reached);
  EXPECT_EQ(state(), "Stable");
}

TEST_F(GroupTest, a_second_join_of_a_member_takes_the_place_of_the_first) {
  auto members = stable(2);
  auto first = join({.member_id = members[0].member_id, .protocols = {{"range", "new"}}});
  auto second = join({.member_id = members[0].member_id, .protocols = {{"range", "newer"}}});
  EXPECT_EQ(now(first).error, E::rebalance_in_progress);
  EXPECT_TRUE(waits(second));
}

TEST_F(GroupTest, administration_tells_what_there_is) {
  EXPECT_EQ(describe().error, E::group_id_not_found);
  EXPECT_EQ(state(), "Dead");
  EXPECT_EQ(remove(), E::group_id_not_found);
  auto members = stable(1);
  GroupDescription description = describe();
  EXPECT_EQ(description.protocol, "range");
  EXPECT_EQ(description.members.at(0).metadata.text(), "m");
  EXPECT_EQ(description.members.at(0).assignment.text(), "a0");
  EXPECT_EQ(description.members.at(0).client_host, "h");
  EXPECT_EQ(list({.states = {"sTABLE"}, .types = {"Classic"}}), std::vector<std::string>{kG});
  EXPECT_TRUE(list({.states = {"Empty"}, .types = {}}).empty());
  EXPECT_TRUE(list({.states = {}, .types = {"consumer"}}).empty());
  EXPECT_EQ(remove(), E::non_empty_group);
  join({});
  EXPECT_EQ(describe().protocol, "") << "only a stable group shows protocol and metadata";
  EXPECT_EQ(describe().members.at(0).metadata.size(), 0u);
}

}  // namespace
}  // namespace millrace::coordinator
