#include "broker/coordinator/group_test_support.h"

namespace millrace::coordinator {
namespace {

using namespace std::chrono_literals;
using E = GroupErrc;

TEST_F(GroupTest, without_a_partition_every_operation_says_why) {
  groups->unload(PartitionIndex{0});
  EXPECT_EQ(now(join({})).error, E::not_coordinator);
  EXPECT_EQ(heartbeat("m", 1), E::not_coordinator);
  EXPECT_EQ(leave("m"), E::not_coordinator);
  EXPECT_EQ(commit("t", 1), E::not_coordinator);
  EXPECT_EQ(fetch_all().error, E::not_coordinator);
  EXPECT_EQ(describe().error, E::not_coordinator);
  EXPECT_EQ(remove(), E::not_coordinator);
  EXPECT_TRUE(list().empty());
  groups->begin_load(PartitionIndex{0});
  EXPECT_EQ(now(join({})).error, E::coordinator_load_in_progress);
  EXPECT_EQ(now(sync(JoinReply{})).error, E::coordinator_load_in_progress);
  EXPECT_EQ(commit("t", 1), E::coordinator_load_in_progress);
  EXPECT_EQ(describe().error, E::coordinator_load_in_progress);
  groups->set_partitions(0);
  EXPECT_EQ(now(join({})).error, E::coordinator_not_available);
}

TEST_F(GroupTest, a_coordinator_that_does_not_know_of_the_topic_yet_lets_clients_wait_for_it) {
  GroupCoordinator fresh({.clock = &clock, .timers = &timers, .metrics = &metrics, .config = config});
  std::vector<E> errors;
  const auto fetch = [&] {
    fresh.fetch_offsets({.group = "g"}, [&](const auto& got) { errors.push_back(got.error); });
  };
  fetch();
  fresh.set_partitions(1);
  fetch();
  fresh.set_partitions(0);
  fetch();
  EXPECT_EQ(errors, (std::vector{E::coordinator_load_in_progress, E::not_coordinator, E::coordinator_not_available}));
}

TEST_F(GroupTest, unloading_answers_who_waits) {
  auto waiting = join({});
  groups->unload(PartitionIndex{0});
  EXPECT_EQ(now(waiting).error, E::not_coordinator);
  load();
  auto again = join({});
  groups->stop();
  EXPECT_EQ(now(again).error, E::not_coordinator);
  EXPECT_EQ(metrics.partitions_loaded.value(), 0);
  EXPECT_EQ(now(join({})).error, E::coordinator_not_available);
  advance(10s);  // timers that are still set find nobody
}

TEST_F(GroupTest, a_load_that_was_overtaken_by_an_unload_serves_nothing) {
  groups->unload(PartitionIndex{0});
  groups->finish_load(PartitionIndex{0}, Groups(config), Offset{0}, log);
  EXPECT_EQ(now(join({})).error, E::not_coordinator);
}

TEST_F(GroupTest, groups_of_several_partitions_are_kept_apart_and_listed_together) {
  groups->set_partitions(2);
  auto second = std::make_shared<MemoryLog>();
  groups->begin_load(PartitionIndex{1});
  groups->finish_load(PartitionIndex{1}, Groups(config), Offset{0}, second);
  // 'a' is 97, 'b' 98: odd and even.
  for (const std::string group : {"a", "b"}) {
    CommitCommand command;
    command.group = group;
    command.items.push_back({"t", PartitionIndex{0}, Offset{1}, kNoLeaderEpoch, ""});
    EXPECT_EQ(commit(std::move(command)).at(0), E::none);
  }
  EXPECT_EQ(log->records.size(), 1u);
  EXPECT_EQ(second->records.size(), 1u);
  EXPECT_EQ(list(), (std::vector<std::string>{"b", "a"}));
}

TEST_F(GroupTest, records_that_are_not_ours_or_cannot_be_read_are_left_alone) {
  log->records = {
      {.key = std::nullopt, .value = Bytes::copy_of("x")},
      {.key = Bytes::copy_of(""), .value = std::nullopt},
      {.key = Bytes::copy_of(std::string_view("\0\3\0\1g", 5)), .value = Bytes::copy_of("x")},     // KIP-848
      {.key = Bytes::copy_of(std::string_view("\0\2\0\1g", 5)), .value = Bytes::copy_of("\x7f")},  // cut
      {.key = Bytes::copy_of(std::string_view("\0\2\0\1g", 5)), .value = Bytes::copy_of(std::string_view("\0\x9", 2))},
  };
  EXPECT_EQ(log->replay(config).unreadable_records(), 5u);
  restart();
  EXPECT_TRUE(list().empty());
}

TEST(GroupConfig, reads_its_keys) {
  const GroupConfig fallback = GroupConfig::from({});
  EXPECT_EQ(fallback.group_size_max, INT32_MAX);
  EXPECT_EQ(fallback.initial_rebalance_delay, 3s);
  EXPECT_EQ(fallback.commit_timeout, 5s);
  EXPECT_EQ(fallback.offsets_retention_ms, int64_t{7} * 24 * 3'600'000);
  const GroupConfig set = GroupConfig::from({{"group.initial.rebalance.delay.ms", "0"},
                                             {"offsets.retention.minutes", "1"},
                                             {"group.max.size", "5"},
                                             {"offsets.commit.timeout.ms", "7"}});
  EXPECT_EQ(set.commit_timeout, 7ms);
  EXPECT_EQ(set.initial_rebalance_delay, 0s);
  EXPECT_EQ(set.offsets_retention_ms, 60'000);
  EXPECT_EQ(set.group_size_max, 5);
}

// What hand-made faults in the decisions showed to be untested.

TEST_F(GroupTest, a_group_that_lost_its_last_member_is_empty_after_a_restart_too) {
  const auto members = stable(1);
  commit("t", 7, members[0].member_id, 1);
  leave(members[0].member_id);
  restart();
  EXPECT_EQ(state(), "Empty");
  EXPECT_EQ(heartbeat(members[0].member_id, 1), GroupErrc::unknown_member_id);
  EXPECT_EQ(committed("t"), 7);
}

TEST_F(GroupTest, a_member_of_a_full_group_may_ask_again_while_it_waits) {
  config.group_size_max = 1;
  restart();
  const std::string id = now(join({.v4 = true})).member_id;
  auto first = join({.member_id = id});
  auto second = join({.member_id = id});
  EXPECT_EQ(now(first).error, GroupErrc::rebalance_in_progress) << "nobody reads that answer any more";
  EXPECT_TRUE(waits(second));
  advance(config.initial_rebalance_delay);
  EXPECT_EQ(now(second).error, GroupErrc::none);
}

TEST_F(GroupTest, an_id_that_was_given_out_is_not_for_a_static_member) {
  const std::string id = now(join({.v4 = true})).member_id;
  EXPECT_EQ(now(join({.member_id = id, .instance = "i"})).error, GroupErrc::unknown_member_id);
}

TEST_F(GroupTest, the_session_of_a_member_that_waited_long_for_its_assignment_begins_with_the_answer) {
  auto a = join({.client = "a"});
  auto b = join({.client = "b"});
  advance(config.initial_rebalance_delay * 2);
  const bool a_leads = now(a).leader == now(a).member_id;
  const JoinReply leader = a_leads ? now(a) : now(b);
  const JoinReply follower = a_leads ? now(b) : now(a);
  auto waiting = sync(follower);
  for (int i = 0; i < 4; ++i) {
    advance(Millis(8'000));
    EXPECT_EQ(heartbeat(leader.member_id, 1), GroupErrc::none);
  }
  sync(leader, {{follower.member_id, "x"}});
  EXPECT_EQ(now(waiting).assignment.text(), "x");
  advance(Millis(9'000));
  EXPECT_EQ(heartbeat(follower.member_id, 1), GroupErrc::none);
}

TEST_F(GroupTest, the_alarm_of_one_group_does_not_silence_those_of_others) {
  for (const char* group : {"first", "second", "third"}) {
    auto joined = join({.session = Millis(group[0] == 'f' ? 10'000 : 12'000), .group = group});
    advance(config.initial_rebalance_delay);
    ASSERT_EQ(now(joined).error, GroupErrc::none);
  }
  advance(Millis(120'000));
  for (const char* group : {"first", "second", "third"}) EXPECT_EQ(describe(group).state, "Empty") << group;
}

}  // namespace
}  // namespace millrace::coordinator
