#include "broker/server/handlers/fetch_session.h"

#include <gtest/gtest.h>

#include "broker/io/sim/sim_clock.h"
#include "broker/io/sim/sim_random.h"

namespace millrace::server {
namespace {

using std::chrono::seconds;

class FetchSessionTest : public ::testing::Test {
 protected:
  static std::shared_ptr<const FetchTopic> topic(const std::string& name) {
    return std::make_shared<const FetchTopic>(FetchTopic{.name = name, .id = {}});
  }
  static FetchTarget target(int32_t partition, int64_t offset = 0, const std::string& name = "t") {
    return {.topic = topic(name), .partition = PartitionIndex{partition}, .offset = Offset{offset}, .bytes_max = 1000};
  }
  static std::vector<FetchTarget> targets(int32_t count) {
    std::vector<FetchTarget> result;
    for (int32_t i = 0; i < count; ++i) result.push_back(target(i));
    return result;
  }
  static std::vector<int32_t> order(const FetchSession& session) {
    std::vector<int32_t> result;
    for (const FetchTarget& one : session.targets()) result.push_back(one.partition.value());
    return result;
  }
  static FetchSummary at(int64_t high_watermark, int64_t log_start = 0) {
    return {.high_watermark = Offset{high_watermark}, .log_start = Offset{log_start}};
  }
  FetchSessionCache cache(size_t slots, size_t partitions_max = 1'000'000) {
    return FetchSessionCache({.slots = slots, .partitions_max = partitions_max}, clock_, random_);
  }

  io::sim::SimClock clock_;
  io::sim::SimRandom random_{5};
};

TEST_F(FetchSessionTest, the_epoch_must_be_the_next_one_and_wraps_to_one) {
  FetchSession session(1, false, targets(2));
  EXPECT_FALSE(session.update(2, {}, {}));
  EXPECT_TRUE(session.update(1, {}, {}));
  EXPECT_FALSE(session.update(1, {}, {}));
  EXPECT_TRUE(session.update(2, {}, {}));
}

TEST_F(FetchSessionTest, an_update_changes_adds_and_forgets_partitions) {
  FetchSession session(1, false, targets(3));
  ASSERT_TRUE(session.update(1, {target(1, 50), target(9)}, {{FetchTopic{.name = "t", .id = {}}, PartitionIndex{0}}}));
  EXPECT_EQ(order(session), (std::vector<int32_t>{1, 2, 9}));
  EXPECT_EQ(session.targets()[0].offset, Offset{50});
}

TEST_F(FetchSessionTest, a_reply_holds_only_what_changed_since_the_last_one) {
  FetchSession session(1, false, targets(1));
  const FetchTopic t{.name = "t", .id = {}};
  EXPECT_TRUE(session.note_reply(t, PartitionIndex{0}, at(5), false));
  EXPECT_FALSE(session.note_reply(t, PartitionIndex{0}, at(5), false));
  EXPECT_TRUE(session.note_reply(t, PartitionIndex{0}, at(6), false));
  EXPECT_TRUE(session.note_reply(t, PartitionIndex{0}, at(6, 2), false));
  EXPECT_FALSE(session.note_reply(t, PartitionIndex{0}, at(6, 2), false));
  EXPECT_TRUE(session.note_reply(t, PartitionIndex{0}, {.always_sent = true, .high_watermark = Offset{6}}, true));
}

TEST_F(FetchSessionTest, the_first_good_answer_after_an_error_is_sent_though_nothing_changed) {
  FetchSession session(1, false, targets(1));
  const FetchTopic t{.name = "t", .id = {}};
  EXPECT_TRUE(session.note_reply(t, PartitionIndex{0}, at(5), false));
  EXPECT_TRUE(session.note_reply(t, PartitionIndex{0}, {.always_sent = true, .failed = true}, false));
  EXPECT_TRUE(session.note_reply(t, PartitionIndex{0}, at(5), false));
}

TEST_F(FetchSessionTest, a_partition_that_got_records_is_served_last_the_next_time) {
  FetchSession session(1, false, targets(3));
  session.note_reply({.name = "t", .id = {}}, PartitionIndex{0}, {.always_sent = true}, true);
  EXPECT_EQ(order(session), (std::vector<int32_t>{1, 2, 0}));
}

TEST_F(FetchSessionTest, sessions_are_found_until_closed) {
  FetchSessionCache sessions = cache(10);
  const auto session = sessions.create(false, targets(2));
  ASSERT_NE(session, nullptr);
  EXPECT_GT(session->id(), 0);
  EXPECT_EQ(sessions.find(session->id()), session);
  EXPECT_EQ(sessions.metrics().partitions.value(), 2);
  sessions.close(session->id());
  EXPECT_EQ(sessions.find(session->id()), nullptr);
  EXPECT_EQ(sessions.metrics().partitions.value(), 0);
}

TEST_F(FetchSessionTest, a_full_cache_refuses_while_all_sessions_are_young_and_used) {
  FetchSessionCache sessions = cache(1);
  const auto first = sessions.create(false, targets(2));
  EXPECT_EQ(sessions.create(false, targets(5)), nullptr);
  EXPECT_EQ(sessions.find(first->id()), first);
  EXPECT_EQ(sessions.metrics().refusals.value(), 1u);
}

TEST_F(FetchSessionTest, a_session_unused_for_two_minutes_gives_way) {
  FetchSessionCache sessions = cache(1);
  const auto first = sessions.create(false, targets(5));
  clock_.advance(seconds(120));
  EXPECT_NE(sessions.create(false, targets(1)), nullptr);
  EXPECT_EQ(sessions.find(first->id()), nullptr);
  EXPECT_EQ(sessions.metrics().evictions.value(), 1u);
}

TEST_F(FetchSessionTest, a_used_session_gives_way_only_to_a_larger_one_and_when_two_minutes_old) {
  FetchSessionCache sessions = cache(1);
  const auto first = sessions.create(false, targets(2));
  clock_.advance(seconds(119));
  sessions.find(first->id());
  EXPECT_EQ(sessions.create(false, targets(9)), nullptr);
  clock_.advance(seconds(2));
  EXPECT_EQ(sessions.create(false, targets(2)), nullptr);
  EXPECT_NE(sessions.create(false, targets(3)), nullptr);
  EXPECT_EQ(sessions.find(first->id()), nullptr);
}

TEST_F(FetchSessionTest, partitions_of_all_sessions_are_bounded) {
  FetchSessionCache sessions = cache(10, 5);
  EXPECT_EQ(sessions.create(false, targets(6)), nullptr);
  const auto session = sessions.create(false, targets(4));
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(sessions.create(false, targets(2)), nullptr);
  // One that grows past the bound is closed: its client opens another or goes on without.
  ASSERT_TRUE(session->update(1, {target(7), target(8)}, {}));
  sessions.resized(*session);
  EXPECT_EQ(sessions.find(session->id()), nullptr);
}

TEST_F(FetchSessionTest, no_slots_means_no_sessions) { EXPECT_EQ(cache(0).create(false, targets(1)), nullptr); }

}  // namespace
}  // namespace millrace::server
