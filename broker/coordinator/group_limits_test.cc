// What happens where a group outgrows its log, and where the log does not answer.

#include "broker/coordinator/decisions.h"
#include "broker/coordinator/group_test_support.h"

namespace millrace::coordinator {
namespace {

using namespace std::chrono_literals;
using E = GroupErrc;

struct GroupLimitsTest : GroupTest {
  // A partition of __consumer_offsets as it is by default.
  static constexpr size_t kDefaultBytesMax = 1'048'588 - 61;

  std::vector<Pending<JoinReply>> join_many(size_t count, size_t metadata_bytes) {
    std::vector<Pending<JoinReply>> joins;
    for (size_t i = 0; i < count; ++i) {
      joins.push_back(
          join({.protocols = {{"range", std::string(metadata_bytes, 'm')}}, .client = "client-" + std::to_string(i)}));
    }
    advance(config.initial_rebalance_delay * 2);
    return joins;
  }
  // Syncs all of them, the leader last; its answer is the last one.
  std::vector<Pending<SyncReply>> sync_all(const std::vector<Pending<JoinReply>>& joins, size_t assignment_bytes) {
    Assignments assignments;
    const JoinReply* leader = nullptr;
    std::vector<Pending<SyncReply>> syncs;
    for (const auto& pending : joins) {
      const JoinReply& member = pending->value();
      assignments.emplace_back(member.member_id, std::string(assignment_bytes, 'a'));
      if (member.leader == member.member_id) {
        leader = &member;
      } else {
        syncs.push_back(sync(member));
      }
    }
    ENSURE(leader != nullptr);
    syncs.push_back(sync(*leader, assignments));
    return syncs;
  }
  Pending<CommitReply> begin_commit(int64_t offset) {
    auto pending = std::make_shared<std::optional<CommitReply>>();
    CommitCommand command;
    command.group = "other";
    command.items.push_back({"t", PartitionIndex{0}, Offset{offset}, kNoLeaderEpoch, ""});
    groups->commit_offsets(std::move(command), [pending](CommitReply reply) {
      EXPECT_FALSE(pending->has_value()) << "answered twice";
      *pending = std::move(reply);
    });
    return pending;
  }
};

TEST_F(GroupLimitsTest, a_group_of_a_thousand_members_with_large_subscriptions_fits_the_default_limit) {
  log->bytes_max = kDefaultBytesMax;
  const auto joins = join_many(1'000, 700);
  for (const auto& answer : sync_all(joins, 200)) ASSERT_EQ(now(answer).error, E::none);
  EXPECT_EQ(state(), "Stable");
  restart();
  EXPECT_EQ(describe().members.size(), 1'000u);
}

TEST_F(GroupLimitsTest, a_group_that_outgrows_the_limit_is_told_and_joins_anew_and_others_are_served) {
  log->bytes_max = kDefaultBytesMax;
  const auto joins = join_many(1'000, 1'500);
  for (const auto& answer : sync_all(joins, 100)) {
    ASSERT_FALSE(waits(answer)) << "nobody waits for an assignment that cannot come";
    ASSERT_EQ(now(answer).error, E::unknown_server_error);
  }
  EXPECT_EQ(state(), "PreparingRebalance");
  EXPECT_EQ(heartbeat(now(joins[0]).member_id, 1), E::rebalance_in_progress);
  EXPECT_EQ(now(begin_commit(1)).items.at(0), E::none);
  EXPECT_TRUE(failures.empty()) << "the partition is not loaded again for it";

  // The operator raises max.message.bytes; the members come again.
  log->bytes_max = 4 << 20;
  std::vector<Pending<JoinReply>> again;
  for (const auto& before : joins) {
    again.push_back(join({.member_id = now(before).member_id, .protocols = {{"range", std::string(1'500, 'm')}}}));
  }
  for (const auto& answer : sync_all(again, 100)) ASSERT_EQ(now(answer).error, E::none);
  EXPECT_EQ(state(), "Stable");
}

TEST_F(GroupLimitsTest, a_late_refusal_of_an_assignment_does_not_touch_a_generation_that_came_after_it) {
  const auto members = stable(2);
  Groups replayed = log->replay(config);
  SyncCommand command;
  command.group = kG;
  command.member_id = members[0].leader;
  command.generation = members[0].generation;
  const auto decision =
      decide_too_large_sync(replayed, command, {.monotonic = clock.now(), .wall_ms = clock.wall_ms()});
  EXPECT_FALSE(decision.also) << "the group is stable: nothing to do";
}

TEST_F(GroupLimitsTest, offsets_that_do_not_fit_are_refused_as_too_large) {
  log->bytes_max = 1'000;
  CommitCommand command;
  command.group = kG;
  for (int i = 0; i < 20; ++i) {
    command.items.push_back({"t", PartitionIndex{i}, Offset{1}, kNoLeaderEpoch, std::string(100, 'x')});
  }
  EXPECT_EQ(commit(std::move(command)), std::vector<E>(20, E::invalid_commit_offset_size));
  EXPECT_EQ(commit("t", 1), E::none);
}

TEST_F(GroupLimitsTest, a_group_with_long_names_is_removed_in_steps_that_fit) {
  log->bytes_max = kDefaultBytesMax;
  const std::string group(10'000, 'g');
  for (int i = 0; i < 200; ++i) {
    CommitCommand command;
    command.group = group;
    command.items.push_back({"t", PartitionIndex{i}, Offset{1}, kNoLeaderEpoch, ""});
    ASSERT_EQ(commit(std::move(command)).at(0), E::none);
  }
  EXPECT_EQ(remove(group), E::none);
  EXPECT_EQ(describe(group).error, E::group_id_not_found);
}

TEST_F(GroupLimitsTest, offsets_of_a_group_with_long_names_expire_in_steps_that_fit) {
  log->bytes_max = kDefaultBytesMax;
  const std::string group(10'000, 'g');
  for (int i = 0; i < 200; ++i) {
    CommitCommand command;
    command.group = group;
    command.items.push_back({"t", PartitionIndex{i}, Offset{1}, kNoLeaderEpoch, ""});
    ASSERT_EQ(commit(std::move(command)).at(0), E::none);
  }
  advance(Millis(config.offsets_retention_ms) + config.retention_check_interval * 2);
  EXPECT_EQ(describe(group).error, E::group_id_not_found);
  EXPECT_EQ(metrics.offsets_expired.value(), 200u);
}

TEST_F(GroupLimitsTest, a_write_that_is_not_committed_in_time_is_answered_and_counts_when_it_is_committed_later) {
  config.commit_timeout = 2s;
  restart();
  log->holds_commits = true;
  const auto first = begin_commit(1);
  advance(1s);
  const auto second = begin_commit(2);
  advance(999ms);
  EXPECT_TRUE(waits(first));
  advance(1ms);
  EXPECT_EQ(now(first).items.at(0), E::coordinator_not_available);
  EXPECT_TRUE(waits(second)) << "each has its own time";
  advance(1s);
  EXPECT_EQ(now(second).items.at(0), E::coordinator_not_available);
  log->commit_held();
  log->holds_commits = false;
  EXPECT_EQ(fetch_all("other").topics.at(0).second.at(0).second.offset, Offset{2});
  EXPECT_EQ(now(begin_commit(3)).items.at(0), E::none);
  EXPECT_TRUE(failures.empty());
}

TEST_F(GroupLimitsTest, joins_syncs_heartbeats_and_reads_that_wait_for_the_log_are_answered_in_time) {
  const auto members = stable(2);
  log->holds_commits = true;
  begin_commit(1);
  auto joining = join({});
  auto syncing = sync(members[0]);
  auto leaving = std::make_shared<std::optional<LeaveReply>>();
  groups->leave({.group = kG, .members = {{members[1].member_id, std::nullopt}}},
                [leaving](LeaveReply reply) { *leaving = std::move(reply); });
  auto beating = std::make_shared<std::optional<E>>();
  groups->heartbeat({.group = kG, .member_id = members[0].member_id, .generation = Generation{1}},
                    [beating](E error) { *beating = error; });
  auto describing = std::make_shared<std::optional<GroupDescription>>();
  groups->describe(kG, [describing](GroupDescription reply) { *describing = std::move(reply); });
  auto listing = std::make_shared<std::optional<ListReply>>();
  groups->list({}, [listing](ListReply reply) { *listing = std::move(reply); });
  advance(config.commit_timeout);
  EXPECT_EQ(now(joining).error, E::coordinator_not_available);
  EXPECT_EQ(now(syncing).error, E::coordinator_not_available);
  EXPECT_EQ(now(leaving).members.at(0), E::coordinator_not_available);
  EXPECT_EQ(now(beating), E::coordinator_not_available);
  EXPECT_EQ(now(describing).error, E::coordinator_not_available);
  EXPECT_EQ(now(listing).error, E::coordinator_not_available);
  log->commit_held();
}

TEST_F(GroupLimitsTest, who_waits_for_other_members_is_not_left_hanging_by_a_log_that_hangs) {
  auto waiting = join({.client = "a"});
  log->holds_commits = true;
  begin_commit(1);
  advance(config.initial_rebalance_delay);  // the group is complete; its answer rests on the commit
  EXPECT_TRUE(waits(waiting));
  advance(config.commit_timeout);
  EXPECT_EQ(now(waiting).error, E::coordinator_not_available);
  log->commit_held();
  log->holds_commits = false;
  auto anew = join({.client = "a"});
  advance(2min);
  EXPECT_EQ(now(anew).error, E::none) << "the group goes on when the log does";
}

TEST_F(GroupLimitsTest, a_wait_for_other_members_alone_has_no_such_limit) {
  config.commit_timeout = 1s;
  restart();
  auto waiting = join({});
  advance(2s);
  EXPECT_TRUE(waits(waiting));
  advance(1s);
  EXPECT_EQ(now(waiting).error, E::none);
}

}  // namespace
}  // namespace millrace::coordinator
