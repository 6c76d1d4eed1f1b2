#include "broker/control/metadata_quorum_test_support.h"

namespace millrace::control {
namespace {

using std::chrono::milliseconds;

using MetadataQuorumTest = QuorumTest;
INSTANTIATE_TEST_SUITE_P(seeds, MetadataQuorumTest, testing::Range<uint64_t>(1, 9));

TEST_P(MetadataQuorumTest, a_single_voter_leads_at_once_and_its_controller_writes_the_cluster) {
  start(1, {1});
  ASSERT_TRUE(until([this] { return members_[1].images->load()->cluster_id == "c"; }));
  EXPECT_EQ(members_[1].images->load()->controller, BrokerId{1});
  EXPECT_LE(clock_.now().time_since_epoch(), milliseconds(50));
}

TEST_P(MetadataQuorumTest, what_was_answered_is_there_after_a_restart_from_snapshot_and_log) {
  start(1, {1});
  register_broker(1);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(make_topic("t" + std::to_string(i))) << i;
  kill(1);
  start(1, {1});
  ASSERT_TRUE(until([this] { return members_[1].images->load()->topics().size() == 50; }));
  EXPECT_GT(members_[1].quorum->node().status().snapshot, raft::Index{0}) << "the test is meant to cross a snapshot";
  ASSERT_TRUE(make_topic("more"));
}

TEST_P(MetadataQuorumTest, three_voters_have_one_controller_and_the_same_image) {
  for (const int id : {1, 2, 3}) start(id, {1, 2, 3});
  register_broker(1);
  ASSERT_TRUE(make_topic("t"));
  ASSERT_TRUE(until([this] { return same_images(); }));
  for (auto& [id, member] : members_) {
    EXPECT_NE(member.images->load()->find_topic("t"), nullptr) << id;
    EXPECT_EQ(member.images->load()->controller, BrokerId{active()}) << id;
    EXPECT_EQ(member.quorum->host().is_active(), id == active());
  }
}

TEST_P(MetadataQuorumTest, the_controller_moves_when_its_broker_dies_and_nothing_answered_is_lost) {
  for (const int id : {1, 2, 3}) start(id, {1, 2, 3});
  register_broker(1);
  for (int round = 0; round < 6; ++round) {
    ASSERT_TRUE(make_topic("t" + std::to_string(round)));
    const int ended = active();
    kill(ended);
    ASSERT_TRUE(make_topic("u" + std::to_string(round))) << "without broker " << ended;
    start(ended, {1, 2, 3});
  }
  ASSERT_TRUE(until([this] { return same_images(); }));
  EXPECT_EQ(members_[1].images->load()->topics().size(), 12u);
}

TEST_P(MetadataQuorumTest, a_controller_that_is_cut_off_gives_up_and_follows) {
  for (const int id : {1, 2, 3}) start(id, {1, 2, 3});
  register_broker(1);
  ASSERT_TRUE(make_topic("t"));
  const int old = active();
  network_.cut(BrokerId{old}, true);
  ASSERT_TRUE(until([&] { return !members_[old].quorum->host().is_active(); }));
  ASSERT_TRUE(until([&] { return active() >= 0; }));
  ASSERT_TRUE(make_topic("u"));
  network_.cut(BrokerId{old}, false);
  ASSERT_TRUE(until([&] { return members_[old].images->load()->find_topic("u") != nullptr && same_images(); }));
}

TEST_P(MetadataQuorumTest, a_broker_that_is_no_voter_follows_the_log) {
  for (const int id : {1, 2, 3}) start(id, {1, 2, 3});
  register_broker(1);
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(make_topic("t" + std::to_string(i)));
  start(4, {1, 2, 3}, false);
  ASSERT_TRUE(until([this] { return members_[4].images->load()->topics().size() == 30; }));
  ASSERT_TRUE(make_topic("more"));
  ASSERT_TRUE(until([this] { return members_[4].images->load()->find_topic("more") != nullptr; }));
}

}  // namespace
}  // namespace millrace::control
