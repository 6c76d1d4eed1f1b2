#include "broker/protocol/messages/fetch.h"

#include <gtest/gtest.h>

#include "broker/protocol/error_code.h"
#include "broker/server/handlers/data_plane_test_support.h"

namespace millrace::server::handlers {
namespace {

using protocol::ErrorCode;
using protocol::FetchRequest;
using protocol::FetchResponse;
using replication::testing::make_batch;
using replication::testing::values_of;
using testing::Sent;
using Values = std::vector<std::string>;
using std::chrono::milliseconds;

constexpr int16_t kNewestByName = 12;

struct Ask {
  std::string topic = "t";
  int32_t partition = 0;
  int64_t offset = 0;
  int32_t bytes_max = 1 << 20;
  int32_t current_epoch = -1;
  int32_t last_fetched_epoch = -1;
};

class FetchTest : public testing::DataPlaneTest {
 protected:
  static FetchRequest request(const std::vector<Ask>& asks) {
    FetchRequest request;
    request.max_wait_ms = 0;
    request.min_bytes = 1;
    request.session_id = 0;
    request.session_epoch = -1;
    for (const Ask& ask : asks) {
      auto& topic = request.topics.emplace_back();
      topic.topic = ask.topic;
      auto& partition = topic.partitions.emplace_back();
      partition.partition = ask.partition;
      partition.fetch_offset = ask.offset;
      partition.partition_max_bytes = ask.bytes_max;
      partition.current_leader_epoch = ask.current_epoch;
      partition.last_fetched_epoch = ask.last_fetched_epoch;
    }
    return request;
  }
  static FetchRequest waiting(const std::vector<Ask>& asks, int32_t max_wait_ms, int32_t min_bytes = 1) {
    FetchRequest waiting = request(asks);
    waiting.max_wait_ms = max_wait_ms;
    waiting.min_bytes = min_bytes;
    return waiting;
  }
  static FetchRequest in_session(FetchRequest request, int32_t id, int32_t epoch) {
    request.session_id = id;
    request.session_epoch = epoch;
    return request;
  }
  Sent<FetchResponse> send(const FetchRequest& request, int16_t version = kNewestByName) {
    return DataPlaneTest::send<FetchResponse>(&run_fetch, protocol::ApiKey::fetch, version, version >= 12, request);
  }
  static auto partitions(const FetchResponse& response) {
    std::decay_t<decltype(response.responses[0].partitions)> all;
    for (const auto& topic : response.responses) {
      all.insert(all.end(), topic.partitions.begin(), topic.partitions.end());
    }
    return all;
  }
  auto fetch_one(const Ask& ask, int16_t version = kNewestByName) {
    const auto all = partitions(send(request({ask}), version).response());
    EXPECT_EQ(all.size(), 1u);
    return all.at(0);
  }
  ErrorCode code(const Ask& ask, int16_t version = kNewestByName) {
    return static_cast<ErrorCode>(fetch_one(ask, version).error_code);
  }
  static Values values(const FetchResponse& response) {
    Values all;
    for (const auto& partition : partitions(response)) {
      if (partition.records.is_null() || partition.records.size() == 0) continue;
      for (std::string& value : values_of(partition.records.bytes())) all.push_back(std::move(value));
    }
    return all;
  }
};

TEST_F(FetchTest, records_and_the_ends_of_the_partition_are_answered_in_every_version) {
  create("t");
  append("t", {"a", "b"});
  for (int16_t version = 4; version <= kNewestByName; ++version) {
    const FetchResponse response = send(request({{}}), version).response();
    EXPECT_EQ(values(response), Values({"a", "b"})) << version;
    const auto partition = partitions(response).at(0);
    EXPECT_EQ(partition.high_watermark, 2);
    EXPECT_EQ(partition.last_stable_offset, 2);
    EXPECT_EQ(partition.log_start_offset, version >= 5 ? 0 : -1);
    EXPECT_EQ(partition.error_code, 0);
  }
}

TEST_F(FetchTest, from_version_13_on_topics_go_by_id) {
  const Uuid id = create("t");
  append("t", {"a"});
  for (int16_t version = 13; version <= 18; ++version) {
    FetchRequest by_id = request({{.topic = ""}});
    by_id.topics[0].topic_id = id;
    const FetchResponse response = send(by_id, version).response();
    EXPECT_EQ(values(response), Values({"a"})) << version;
    EXPECT_EQ(response.responses.at(0).topic_id, id);
  }
  FetchRequest unknown = request({{.topic = ""}});
  unknown.topics[0].topic_id = Uuid::from_random(5, 5);
  EXPECT_EQ(partitions(send(unknown, 13).response()).at(0).error_code, protocol::wire(ErrorCode::unknown_topic_id));
}

TEST_F(FetchTest, errors_are_answered_at_once_and_without_offsets) {
  create("t");
  create("theirs", 1, testing::kOther);
  append("t", {"a"});
  EXPECT_EQ(code({.topic = "missing"}), ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(code({.partition = 7}), ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(code({.topic = "theirs"}), ErrorCode::not_leader_or_follower);
  EXPECT_EQ(code({.offset = 2}), ErrorCode::offset_out_of_range);
  EXPECT_EQ(code({.offset = -1}), ErrorCode::offset_out_of_range);
  EXPECT_EQ(code({.current_epoch = 2}), ErrorCode::fenced_leader_epoch);
  EXPECT_EQ(code({.current_epoch = 4}), ErrorCode::unknown_leader_epoch);
  EXPECT_EQ(code({.current_epoch = 3}), ErrorCode::none);
  EXPECT_EQ(fetch_one({.offset = 2}).high_watermark, -1);
  EXPECT_TRUE(send(waiting({{.topic = "missing"}}, 1000)).is_answered());
}

TEST_F(FetchTest, a_partition_led_elsewhere_names_its_leader) {
  const Uuid id = create("theirs", 1, testing::kOther);
  FetchRequest by_id = request({{.topic = ""}});
  by_id.topics[0].topic_id = id;
  const FetchResponse response = send(by_id, 16).response();
  EXPECT_EQ(partitions(response).at(0).current_leader.leader_id, testing::kOther.value());
  ASSERT_EQ(response.node_endpoints.size(), 1u);
  EXPECT_EQ(response.node_endpoints[0].port, 9999);
}

TEST_F(FetchTest, at_the_end_a_fetch_waits_for_the_next_append) {
  create("t");
  const auto sent = send(waiting({{}}, 1000));
  EXPECT_FALSE(sent.is_answered());
  append("t", {"a"});
  EXPECT_EQ(values(sent.response()), Values({"a"}));
}

TEST_F(FetchTest, a_fetch_waits_no_longer_than_asked_and_then_answers_empty) {
  create("t");
  const auto sent = send(waiting({{}}, 500));
  scheduler_.run_for(milliseconds(499));
  EXPECT_FALSE(sent.is_answered());
  scheduler_.run_for(milliseconds(2));
  EXPECT_EQ(values(sent.response()), Values{});
}

TEST_F(FetchTest, a_fetch_waits_for_min_bytes_over_all_partitions) {
  create("t", 2);
  const auto size = static_cast<int32_t>(make_batch({"a"}).size());
  const auto sent = send(waiting({{.partition = 0}, {.partition = 1}}, 1000, 3 * size));
  append("t", {"a"}, 0);
  append("t", {"b"}, 1);
  EXPECT_FALSE(sent.is_answered());
  append("t", {"c"}, 1);
  EXPECT_EQ(values(sent.response()), Values({"a", "b", "c"}));
}

TEST_F(FetchTest, what_was_there_before_the_wait_counts_towards_min_bytes) {
  create("t");
  append("t", {"a"});
  const auto size = static_cast<int32_t>(make_batch({"a"}).size());
  const auto sent = send(waiting({{}}, 1000, 2 * size));
  EXPECT_FALSE(sent.is_answered());
  append("t", {"b"});
  EXPECT_EQ(values(sent.response()), Values({"a", "b"}));
}

TEST_F(FetchTest, a_fetch_does_not_wait_for_bytes_that_could_not_be_added) {
  create("t", 1, testing::kSelf, {{"segment.bytes", "1048576"}});
  for (int i = 0; i < 3; ++i) append("t", {std::string(400'000, 'x')});  // the third is in the next segment
  // The end of a segment, then whole batches only, stop a read before min_bytes; what follows is readable already.
  EXPECT_TRUE(send(waiting({{.bytes_max = 1'200'000}}, 1000, 1'100'000)).is_answered());
  EXPECT_TRUE(send(waiting({{.bytes_max = 500'000}}, 1000, 500'000)).is_answered());
  // At the end of the log it does wait.
  EXPECT_FALSE(send(waiting({{.offset = 2, .bytes_max = 500'000}}, 1000, 500'000)).is_answered());
}

TEST_F(FetchTest, records_that_must_be_flushed_first_wake_nobody_before_their_flush) {
  create("t", 1, testing::kSelf, {{"flush.messages", "1"}});
  const auto sent = send(waiting({{}}, 1000));
  append("t", {"a"});
  EXPECT_FALSE(sent.is_answered());
  flush();
  EXPECT_EQ(values(sent.response()), Values({"a"}));
}

TEST_F(FetchTest, a_deleted_topic_ends_the_wait) {
  const Uuid id = create("t");
  const auto sent = send(waiting({{}}, 1000));
  remove(id);
  EXPECT_EQ(partitions(sent.response()).at(0).error_code, protocol::wire(ErrorCode::unknown_topic_or_partition));
}

TEST_F(FetchTest, shutting_down_ends_the_wait) {
  create("t");
  const auto sent = send(waiting({{}}, 1000));
  purgatory_.shut_down();
  EXPECT_EQ(values(sent.response()), Values{});
}

TEST_F(FetchTest, the_first_partition_with_records_gets_a_whole_batch_and_the_others_stay_within_the_limits) {
  create("t", 3);
  const std::string large(500, 'x');
  for (int32_t i = 1; i < 3; ++i) append("t", {large}, i);
  FetchRequest small = request(
      {{.partition = 0, .bytes_max = 10}, {.partition = 1, .bytes_max = 10}, {.partition = 2, .bytes_max = 10}});
  EXPECT_EQ(values(send(small).response()), Values({large}));
  FetchRequest all = request({{.partition = 1}, {.partition = 2}});
  all.max_bytes = 600;
  EXPECT_EQ(values(send(all).response()), Values({large}));
  all.max_bytes = 2000;
  EXPECT_EQ(values(send(all).response()), Values({large, large}));
}

TEST_F(FetchTest, the_broker_bounds_a_reply_whatever_the_client_asks) {
  create("t");
  for (int i = 0; i < 10; ++i) append("t", {std::string(500, 'x')});
  config_.fetch_bytes_max = 1300;
  EXPECT_EQ(values(send(request({{}})).response()).size(), 2u);
}

TEST_F(FetchTest, read_committed_gets_a_list_of_aborted_transactions_and_read_uncommitted_null) {
  create("t");
  append("t", {"a"});
  FetchRequest committed = request({{}});
  committed.isolation_level = 1;
  EXPECT_TRUE(partitions(send(committed).response()).at(0).aborted_transactions.has_value());
  EXPECT_FALSE(partitions(send(request({{}})).response()).at(0).aborted_transactions.has_value());
}

TEST_F(FetchTest, a_client_whose_history_was_cut_hears_where_it_diverges) {
  create("t");
  append("t", {"a"});
  const auto diverging = fetch_one({.offset = 1, .last_fetched_epoch = 2});
  EXPECT_EQ(diverging.error_code, 0);
  EXPECT_EQ(diverging.diverging_epoch.end_offset, 0);
  EXPECT_EQ(fetch_one({.offset = 1, .last_fetched_epoch = 3}).diverging_epoch.epoch, -1);
}

TEST_F(FetchTest, a_fetch_of_a_follower_closes_the_connection) {
  create("t");
  FetchRequest follower = request({{}});
  follower.replica_id = 3;
  EXPECT_TRUE(send(follower).is_closed());
}

// ---- sessions

TEST_F(FetchTest, a_session_answers_everything_first_and_then_only_what_changed) {
  create("t", 2);
  append("t", {"a"}, 0);
  const FetchResponse first = send(in_session(request({{.partition = 0}, {.partition = 1}}), 0, 0)).response();
  const int32_t id = first.session_id;
  EXPECT_NE(id, 0);
  EXPECT_EQ(partitions(first).size(), 2u);

  const FetchResponse second = send(in_session(request({{.partition = 0, .offset = 1}}), id, 1)).response();
  EXPECT_EQ(second.session_id, id);
  EXPECT_EQ(partitions(second).size(), 0u);

  append("t", {"b"}, 1);
  const FetchResponse third = send(in_session(request({}), id, 2)).response();
  ASSERT_EQ(partitions(third).size(), 1u);
  EXPECT_EQ(partitions(third)[0].partition_index, 1);
  EXPECT_EQ(values(third), Values({"b"}));
}

TEST_F(FetchTest, a_session_waits_like_any_fetch) {
  create("t");
  const int32_t id = send(in_session(request({{}}), 0, 0)).response().session_id;
  const auto sent = send(in_session(waiting({}, 1000), id, 1));
  EXPECT_FALSE(sent.is_answered());
  append("t", {"a"});
  EXPECT_EQ(values(sent.response()), Values({"a"}));
}

TEST_F(FetchTest, forgotten_partitions_are_no_longer_answered) {
  create("t", 2);
  const int32_t id = send(in_session(request({{.partition = 0}, {.partition = 1}}), 0, 0)).response().session_id;
  FetchRequest forget = in_session(request({}), id, 1);
  auto& topic = forget.forgotten_topics_data.emplace_back();
  topic.topic = "t";
  topic.partitions = {0};
  EXPECT_EQ(send(forget).response().error_code, 0);
  append("t", {"a"}, 0);
  append("t", {"b"}, 1);
  EXPECT_EQ(values(send(in_session(request({}), id, 2)).response()), Values({"b"}));
}

TEST_F(FetchTest, unknown_sessions_wrong_epochs_and_changed_naming_are_refused) {
  create("t");
  EXPECT_EQ(send(in_session(request({}), 77, 1)).response().error_code,
            protocol::wire(ErrorCode::fetch_session_id_not_found));
  const int32_t id = send(in_session(request({{}}), 0, 0)).response().session_id;
  EXPECT_EQ(send(in_session(request({}), id, 5)).response().error_code,
            protocol::wire(ErrorCode::invalid_fetch_session_epoch));
  EXPECT_EQ(send(in_session(request({}), id, 1), 13).response().error_code,
            protocol::wire(ErrorCode::fetch_session_topic_id_error));
  EXPECT_EQ(send(in_session(request({}), id, 1)).response().error_code, 0);
}

TEST_F(FetchTest, the_final_epoch_closes_the_session_and_is_answered_without_one) {
  create("t");
  append("t", {"a"});
  const int32_t id = send(in_session(request({{}}), 0, 0)).response().session_id;
  const FetchResponse last = send(in_session(request({{}}), id, -1)).response();
  EXPECT_EQ(last.session_id, 0);
  EXPECT_EQ(values(last), Values({"a"}));
  EXPECT_EQ(send(in_session(request({}), id, 1)).response().error_code,
            protocol::wire(ErrorCode::fetch_session_id_not_found));
}

TEST_F(FetchTest, an_error_in_a_session_is_repeated_and_its_end_is_told) {
  const Uuid id = create("t");
  const int32_t session = send(in_session(request({{}}), 0, 0)).response().session_id;
  remove(id);
  EXPECT_EQ(partitions(send(in_session(request({}), session, 1)).response()).at(0).error_code, 3);
  EXPECT_EQ(partitions(send(in_session(request({}), session, 2)).response()).at(0).error_code, 3);
  create("t");
  EXPECT_EQ(partitions(send(in_session(request({}), session, 3)).response()).at(0).error_code, 0);
  EXPECT_EQ(partitions(send(in_session(request({}), session, 4)).response()).size(), 0u);
}

}  // namespace
}  // namespace millrace::server::handlers
