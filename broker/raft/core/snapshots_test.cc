// Snapshots: what is compacted away reaches a follower in pieces, whatever happens meanwhile.
#include <gtest/gtest.h>

#include "broker/base/crc32c.h"
#include "broker/raft/core/solo_test_support.h"

namespace millrace::raft::testing {
namespace {

SnapshotMeta meta_at(int index, int term) { return {{Index{index}, Term{term}}, Index{1}, {"test", members(3), {}}}; }

SnapshotChunk chunk(const SnapshotMeta& meta, uint64_t offset, const std::string& data, bool last) {
  return {meta, offset, Bytes::copy_of(data), crc32c(as_bytes(data)), last};
}

// A follower of node 1 in term 5 with entries of term 1.
class Receiver : public ::testing::Test {
 protected:
  Receiver() { solo.append(1, 5, {1, 1}, {}, 0); }
  void receive(uint64_t offset, const std::string& data, bool last, const SnapshotMeta& meta = meta_at(9, 4)) {
    solo.clear();
    solo.receive(1, Term{5}, chunk(meta, offset, data, last));
  }
  void written(uint64_t offset, Position snapshot = {Index{9}, Term{4}}) {
    solo.clear();
    solo.feed(SnapshotChunkWritten{snapshot, offset});
  }
  std::optional<SnapshotReply> reply() {
    const auto replies = solo.sent<SnapshotReply>();
    return replies.empty() ? std::nullopt : std::optional(replies.back());
  }
  void until_installing(const SnapshotMeta& meta = meta_at(9, 4)) {
    receive(0, "abc", true, meta);
    written(3, meta.last);
    ASSERT_EQ(solo.installs().size(), 1u);
  }
  Solo solo{{1, 1, 1}};
};

TEST_F(Receiver, writes_pieces_in_order_and_says_what_is_written) {
  receive(0, "abc", false);
  EXPECT_FALSE(reply());
  written(3);
  EXPECT_EQ(reply()->received, 3u);
  EXPECT_FALSE(reply()->installed);
  receive(6, "ghi", true);
  EXPECT_EQ(reply()->received, 3u) << "a gap";
  receive(0, "abc", false);
  EXPECT_EQ(reply()->received, 3u) << "a repetition";
  EXPECT_EQ(solo.snapshot_writes().size(), 1u);
  receive(3, "def", true);
  EXPECT_EQ(solo.snapshot_writes().back().offset, 3u);
}

TEST_F(Receiver, acknowledges_after_the_whole_is_durable_and_loaded) {
  until_installing();
  EXPECT_FALSE(reply());
  EXPECT_FALSE(solo.installs()[0].keep_log);
  solo.feed(SnapshotInstalled{{Index{9}, Term{4}}});
  EXPECT_TRUE(reply()->installed);
  EXPECT_EQ(reply()->durable, Index{9});
  EXPECT_EQ(solo->log().base(), (Position{Index{9}, Term{4}}));
  EXPECT_EQ(solo->commit(), Index{9});
  EXPECT_EQ(solo->applied(), Index{9});
  EXPECT_EQ(solo->durable(), Index{9});
}

TEST_F(Receiver, keeps_the_entries_that_follow_when_its_log_has_the_last_one) {
  solo.append(1, 5, {1, 1}, {}, 0);
  until_installing(meta_at(2, 1));
  EXPECT_TRUE(solo.installs()[0].keep_log);
  solo.feed(SnapshotInstalled{{Index{2}, Term{1}}});
  EXPECT_EQ(solo->log().last(), Index{3});
  EXPECT_EQ(solo->log().base().index, Index{2});
  EXPECT_EQ(solo->durable(), Index{3});
}

TEST_F(Receiver, starts_over_when_it_does_not_know_the_transfer) {
  receive(3, "def", false);
  EXPECT_EQ(reply()->received, 0u);
  EXPECT_TRUE(solo.snapshot_writes().empty());
}

TEST_F(Receiver, takes_no_damaged_piece) {
  SnapshotChunk damaged = chunk(meta_at(9, 4), 0, "abc", true);
  damaged.crc ^= 1;
  solo.receive(1, Term{5}, damaged);
  EXPECT_TRUE(solo.snapshot_writes().empty());
}

TEST_F(Receiver, answers_an_older_leader_with_the_newer_term) {
  solo.clear();
  solo.receive(2, Term{3}, chunk(meta_at(9, 3), 0, "abc", true));
  ASSERT_TRUE(reply());
  EXPECT_FALSE(reply()->installed);
  EXPECT_EQ(solo.messages().back().term, Term{5});
  EXPECT_TRUE(solo.snapshot_writes().empty());
}

TEST_F(Receiver, needs_none_that_is_not_newer_than_what_it_has_committed) {
  solo.append(1, 5, {3, 1}, {}, 3);
  receive(0, "abc", true, meta_at(2, 1));
  EXPECT_TRUE(reply()->installed);
  EXPECT_EQ(reply()->durable, Index{3});
  EXPECT_TRUE(solo.snapshot_writes().empty());
}

TEST_F(Receiver, forgets_the_transfer_of_a_leader_that_was_replaced) {
  receive(0, "abc", false);
  solo.append(2, 6, {1, 1}, {}, 0);
  written(3);
  EXPECT_FALSE(reply());
  solo.receive(2, Term{6}, chunk(meta_at(9, 4), 3, "def", true));
  EXPECT_EQ(reply()->received, 0u);
}

TEST_F(Receiver, finishes_an_installation_under_a_new_leader_without_telling_it) {
  until_installing();
  solo.append(2, 6, {0, 0}, {}, 0);
  solo.clear();
  solo.feed(SnapshotInstalled{{Index{9}, Term{4}}});
  EXPECT_FALSE(reply());
  EXPECT_EQ(solo->commit(), Index{9});
}

TEST_F(Receiver, neither_stands_nor_votes_nor_appends_while_its_log_is_half_replaced) {
  until_installing();
  EXPECT_FALSE(solo.append(1, 5, {3, 1}, {5}, 0).replied());
  EXPECT_TRUE(solo.append(1, 5, {0, 0}, {}, 0).replied()) << "the leader is told that somebody is here";
  solo.pass(milliseconds(2000));
  EXPECT_EQ(solo->state().role, Role::follower);
  EXPECT_FALSE(solo.pre_vote(2, 7, {99, 6})->granted);
  EXPECT_FALSE(solo.vote(2, 7, {99, 6})->granted);
  solo.feed(SnapshotInstalled{{Index{9}, Term{4}}});
  EXPECT_TRUE(solo.vote(2, 8, {99, 6})->granted);
}

TEST_F(Receiver, hands_out_no_entries_while_the_machine_is_being_replaced) {
  solo.hold_apply();
  solo.append(1, 5, {1, 1}, {}, 1);
  solo.append(1, 5, {3, 1}, {}, 3);
  until_installing();
  solo.release_apply();
  EXPECT_FALSE(solo.has_entries_to_apply());
}

TEST(Snapshot, of_a_start_replaces_a_log_that_has_another_entry_at_its_end) {
  Restored restored{.hard = {Term{4}, {}}, .snapshot = meta_at(2, 4)};
  restored.begin();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(restored.replay({Term{1}, EntryKind::payload, {}}));
  EXPECT_TRUE(restored.log_is_stale());
  const Core core({.self = member(0)}, restored, TimePoint{});
  EXPECT_EQ(core.log().last_position(), (Position{Index{2}, Term{4}}));
}

TEST(Snapshot, does_not_silence_the_leaders_heartbeats) {
  Solo solo({1}, 3, [](Options& options) { options.trailing_entries = 0; });
  solo.become_leader();
  solo.append_reply(1, 2, 2);
  solo.feed(SnapshotTaken{solo->describe(Index{2})});
  solo.reject(2, 1, {0, 0}, 0);
  ASSERT_EQ(solo->progress_of(member(2))->mode, Progress::Mode::snapshot);
  solo.clear();
  solo.pass(milliseconds(50));
  EXPECT_EQ(solo.sent_appends(2).size(), 1u);
}

TEST(Snapshot, holds_the_configuration_in_force_where_it_ends) {
  Solo solo({1});
  solo.become_leader();
  solo.append_reply(1, 2, 2);
  solo.feed(ChangeMembers{RequestId{77}, ChangeMembers::Kind::add_learner, member(7)});
  const SnapshotMeta before = solo->describe(Index{2});
  EXPECT_EQ(before.configuration_at, Index{1});
  EXPECT_TRUE(before.configuration.learners.empty());
  solo.append_reply(1, 3, 3);
  EXPECT_EQ(solo->describe(Index{3}).configuration.learners, std::vector{member(7)});
}

TEST(Snapshot, an_uncommitted_change_after_it_rolls_back_to_its_configuration) {
  Solo solo({1}, 3, [](Options& options) { options.trailing_entries = 0; });
  solo.become_leader();
  solo.append_reply(1, 2, 2);
  solo.feed(ChangeMembers{RequestId{77}, ChangeMembers::Kind::remove, member(2)});
  solo.feed(SnapshotTaken{solo->describe(Index{2})});
  EXPECT_EQ(solo->log().base().index, Index{2});
  EXPECT_EQ(solo->configuration().voters.size(), 2u);
  solo.append(1, 99, {2, static_cast<int>(solo->hard_state().term.value())}, {99}, 2);
  EXPECT_EQ(solo->configuration().voters.size(), 3u);
}

TEST(Snapshot, keeps_trailing_entries_for_followers_that_are_a_little_behind) {
  Solo solo({1}, 1, [](Options& options) { options.trailing_entries = 3; });
  solo.tick();
  for (int i = 0; i < 8; ++i) solo.propose("x");
  solo.feed(SnapshotTaken{solo->describe(Index{10})});
  EXPECT_EQ(solo->log().base().index, Index{7});
  EXPECT_EQ(solo->snapshot().last.index, Index{10});
}

class Transferred : public ::testing::Test {
 protected:
  // S2 misses more than the log still has.
  void start(Duration disk_time = {}) {
    world.tune = [](Options& options) {
      options.trailing_entries = 5;
      options.snapshot_chunk_bytes = 16;
      options.snapshot_chunks_in_flight = 2;
    };
    world.start(3);
    ASSERT_TRUE(world.elect(0));
    world.isolate(2);
    for (int i = 0; i < 50; ++i) world.propose(0, "payload " + std::to_string(i));
    world.run(milliseconds(100));
    for (const int at : {0, 1}) world.take_snapshot(at);
    world.node(2).disk_time = std::chrono::duration_cast<milliseconds>(disk_time);
    world.heal();
  }
  bool caught_up() {
    return world.run_until([&] { return world.node(2).payloads == world.node(0).payloads; });
  }
  World world;
};

TEST_F(Transferred, in_pieces_and_then_goes_on_with_entries) {
  start();
  ASSERT_TRUE(caught_up());
  EXPECT_EQ(world.installed, 1u);
  world.propose(0, "after");
  ASSERT_TRUE(world.run_until([&] { return world.has_applied(2, "after"); }, milliseconds(20)));
  EXPECT_EQ(world.installed, 1u);
}

TEST_F(Transferred, holds_no_more_than_the_window_in_flight) {
  start(milliseconds(5));
  size_t most = 0;
  ASSERT_TRUE(world.run_until([&] {
    most = std::max(most, static_cast<size_t>(std::count_if(
                              world.wire().begin(), world.wire().end(),
                              [](const Flight& f) { return std::holds_alternative<SnapshotChunk>(f.message.body); })) +
                              world.node(2).jobs.size());
    return world.installed == 1;
  }));
  EXPECT_LE(most, 4u);
}

TEST_F(Transferred, survives_lost_pieces_and_replies) {
  world.faults = {.drop = 200, .duplicate = 100, .delay_max = milliseconds(5)};
  start(milliseconds(1));
  ASSERT_TRUE(world.run_until([&] { return world.installed > 0; }));
}

TEST_F(Transferred, starts_over_when_the_follower_has_crashed_in_the_middle) {
  start(milliseconds(5));
  ASSERT_TRUE(world.run_until([&] { return world.node(2).incoming.size() > 64; }));
  world.crash(2);
  world.restart(2);
  ASSERT_TRUE(caught_up());
}

TEST_F(Transferred, goes_over_to_the_newer_snapshot_when_the_old_one_is_gone) {
  start(milliseconds(5));
  ASSERT_TRUE(world.run_until([&] { return world.node(2).incoming.size() > 64; }));
  world.propose(0, "newer");
  world.run(milliseconds(5));
  world.take_snapshot(0);
  ASSERT_TRUE(caught_up());
  EXPECT_EQ(world.core(2).snapshot().last, world.core(0).snapshot().last);
}

TEST_F(Transferred, goes_on_under_a_new_leader) {
  start(milliseconds(5));
  ASSERT_TRUE(world.run_until([&] { return world.node(2).incoming.size() > 64; }));
  world.transfer(0, 1);
  ASSERT_TRUE(world.run_until([&] { return world.leader() == 1; }));
  ASSERT_TRUE(caught_up());
}

TEST_F(Transferred, a_crash_between_snapshot_and_log_leaves_a_log_that_the_next_start_discards) {
  start();
  Disk& disk = world.node(2).disk;
  world.crash(2);
  disk.snapshot = world.node(0).disk.snapshot;
  disk.image = world.node(0).disk.image;
  EXPECT_TRUE(Disk(disk).restored().log_is_stale());
  world.restart(2);
  EXPECT_EQ(world.core(2).log().base(), world.node(0).disk.snapshot.last);
  ASSERT_TRUE(caught_up());
}

}  // namespace
}  // namespace millrace::raft::testing
