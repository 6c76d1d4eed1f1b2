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
  EXPECT_EQ(fallback.offsets_retention_ms, int64_t{7} * 24 * 3'600'000);
  const GroupConfig set = GroupConfig::from(
      {{"group.initial.rebalance.delay.ms", "0"}, {"offsets.retention.minutes", "1"}, {"group.max.size", "5"}});
  EXPECT_EQ(set.initial_rebalance_delay, 0s);
  EXPECT_EQ(set.offsets_retention_ms, 60'000);
  EXPECT_EQ(set.group_size_max, 5);
}

}  // namespace
}  // namespace millrace::coordinator
