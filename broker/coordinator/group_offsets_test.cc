#include "broker/coordinator/group_test_support.h"

namespace millrace::coordinator {
namespace {

using namespace std::chrono_literals;
using E = GroupErrc;

// A subscription as consumers send it: version 0, topics, no user data.
std::string subscription(const std::string& topic) {
  std::string bytes("\0\0\0\0\0\1\0", 7);
  bytes += static_cast<char>(topic.size());
  return bytes + topic + "\xff\xff\xff\xff";
}

TEST_F(GroupTest, offsets_without_a_generation_make_a_simple_group) {
  EXPECT_EQ(committed("t"), -1);
  EXPECT_EQ(commit("t", 42), E::none);
  EXPECT_EQ(committed("t"), 42);
  EXPECT_EQ(committed("u"), -1);
  EXPECT_EQ(list(), std::vector<std::string>{kG});
  EXPECT_EQ(describe().protocol_type, "");
  EXPECT_EQ(state(), "Empty");
  const CommittedOffset offset = fetch_all().topics.at(0).second.at(0).second;
  EXPECT_EQ(offset.leader_epoch, LeaderEpoch{3});
  EXPECT_EQ(offset.metadata, "note");
}

TEST_F(GroupTest, a_commit_of_a_generation_needs_the_group) {
  EXPECT_EQ(commit("t", 1, "m", 1), E::illegal_generation);
  CommitCommand command;
  command.group = kG;
  command.generation = Generation{1};
  command.knows_group_not_found = true;
  command.items.push_back({"t", PartitionIndex{0}, Offset{1}, kNoLeaderEpoch, ""});
  EXPECT_EQ(commit(std::move(command)).at(0), E::group_id_not_found);
  EXPECT_EQ(commit("t", 1), E::none);
  EXPECT_EQ(commit("t", 1, "m", 1), E::unknown_member_id);
}

TEST_F(GroupTest, members_commit_in_their_generation_only) {
  auto a = stable(1)[0];
  EXPECT_EQ(commit("t", 5, a.member_id, 1), E::none);
  EXPECT_EQ(commit("t", 6, a.member_id, 2), E::illegal_generation);
  EXPECT_EQ(commit("t", 6, "nobody", 1), E::unknown_member_id);
  EXPECT_EQ(commit("t", 6), E::unknown_member_id) << "a live group takes none from outside";
  EXPECT_EQ(committed("t"), 5);
}

TEST_F(GroupTest, commits_wait_for_the_sync_phase_to_end_but_not_for_the_join_phase) {
  auto a = stable(1)[0];
  auto b = join({});
  EXPECT_EQ(commit("t", 5, a.member_id, 1), E::none) << "what it has read before it rejoins";
  auto again = now(join({.member_id = a.member_id}));
  EXPECT_EQ(commit("t", 6, a.member_id, 2), E::rebalance_in_progress);
}

TEST_F(GroupTest, a_commit_keeps_the_session) {
  auto a = stable(1)[0];
  for (int i = 0; i < 5; ++i) {
    advance(9s);
    EXPECT_EQ(commit("t", i, a.member_id, 1), E::none);
  }
}

TEST_F(GroupTest, too_long_a_note_is_refused_for_its_partition_alone) {
  CommitCommand command;
  command.group = kG;
  command.items.push_back({"t", PartitionIndex{0}, Offset{1}, kNoLeaderEpoch, std::string(4096, 'x')});
  command.items.push_back({"t", PartitionIndex{1}, Offset{1}, kNoLeaderEpoch, std::string(4097, 'x')});
  EXPECT_EQ(commit(std::move(command)), (std::vector{E::none, E::offset_metadata_too_large}));
}

TEST_F(GroupTest, a_commit_larger_than_a_batch_is_refused_whole) {
  log->bytes_max = 900'000;
  CommitCommand command;
  command.group = kG;
  for (int32_t i = 0; i < 300; ++i) {
    command.items.push_back({"t", PartitionIndex{i}, Offset{1}, kNoLeaderEpoch, std::string(4000, 'x')});
  }
  EXPECT_EQ(commit(std::move(command)).at(0), E::invalid_commit_offset_size);
  EXPECT_TRUE(fetch_all().topics.empty());
}

TEST_F(GroupTest, deleting_a_group_removes_its_offsets_however_many) {
  for (int32_t part = 0; part < 5; ++part) {
    CommitCommand command;
    command.group = kG;
    for (int32_t i = 0; i < 1000; ++i) {
      command.items.push_back({"t", PartitionIndex{part * 1000 + i}, Offset{1}, kNoLeaderEpoch, ""});
    }
    commit(std::move(command));
  }
  EXPECT_EQ(remove(), E::none);
  EXPECT_TRUE(fetch_all().topics.empty());
  EXPECT_EQ(remove(), E::group_id_not_found);
  restart();
  EXPECT_EQ(remove(), E::group_id_not_found);
}

class ExpiryTest : public GroupTest {
 protected:
  void SetUp() override {
    config.offsets_retention_ms = 3'600'000;
    config.retention_check_interval = 60s;
    GroupTest::SetUp();
  }
};

TEST_F(ExpiryTest, simple_groups_expire_by_commit_and_go_when_nothing_is_left) {
  commit("t", 1);
  advance(30min);
  commit("u", 1);
  advance(31min);
  EXPECT_EQ(committed("t"), -1);
  EXPECT_EQ(committed("u"), 1);
  advance(31min);
  EXPECT_TRUE(list().empty());
  EXPECT_EQ(metrics.offsets_expired.value(), 2u);
  EXPECT_EQ(metrics.groups_expired.value(), 1u);
  restart();
  EXPECT_TRUE(list().empty());
}

TEST_F(ExpiryTest, a_group_with_members_keeps_what_it_subscribes_to_and_counts_from_when_it_became_empty) {
  auto a = join({.protocols = {{"range", subscription("t")}}, .session = 1800s});
  advance(3s);
  auto member = settle({a})[0];
  commit("t", 1, member.member_id, 1);
  commit("u", 1, member.member_id, 1);
  for (int i = 0; i < 5; ++i) {
    advance(15min);
    heartbeat(member.member_id, 1);
  }
  EXPECT_EQ(committed("t"), 1);
  EXPECT_EQ(committed("u"), -1) << "nobody subscribes to it any more";
  leave(member.member_id);
  advance(59min);
  EXPECT_EQ(committed("t"), 1);
  advance(2min);
  EXPECT_EQ(committed("t"), -1);
  EXPECT_TRUE(list().empty());
}

TEST_F(ExpiryTest, a_group_whose_subscriptions_cannot_be_read_loses_nothing) {
  auto a = join({.protocols = {{"range", "?"}}, .session = 1800s});
  advance(3s);
  auto member = settle({a})[0];
  commit("u", 1, member.member_id, 1);
  for (int i = 0; i < 6; ++i) {
    advance(15min);
    heartbeat(member.member_id, 1);
  }
  EXPECT_EQ(committed("u"), 1);
}

TEST_F(ExpiryTest, a_retention_given_with_the_commit_beats_the_configured_one) {
  CommitCommand command;
  command.group = kG;
  command.retention_ms = 120'000;
  command.items.push_back({"t", PartitionIndex{0}, Offset{1}, kNoLeaderEpoch, ""});
  commit(std::move(command));
  restart();
  advance(1min);
  EXPECT_EQ(committed("t"), 1);
  advance(2min);
  EXPECT_EQ(committed("t"), -1);
}

TEST_F(ExpiryTest, a_wall_clock_that_jumps_back_expires_nothing) {
  commit("t", 1);
  clock.set_wall_ms(1'000);
  advance(10min);
  EXPECT_EQ(committed("t"), 1);
}

}  // namespace
}  // namespace millrace::coordinator
