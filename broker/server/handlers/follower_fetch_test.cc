// Consumers that read from followers (KIP-392): whom the leader sends away, and what a follower answers.

#include <gtest/gtest.h>

#include "broker/protocol/error_code.h"
#include "broker/protocol/messages/fetch.h"
#include "broker/protocol/messages/list_offsets.h"
#include "broker/server/handlers/data_plane_test_support.h"
#include "broker/server/server_metrics.h"

namespace millrace::server::handlers {
namespace {

using protocol::ErrorCode;
using protocol::FetchRequest;
using protocol::FetchResponse;
using replication::testing::bytes_of;
using replication::testing::values_of;
using testing::kOther;
using testing::kSelf;
using Values = std::vector<std::string>;

constexpr BrokerId kThird{3};
constexpr LeaderEpoch kEpoch{3};
constexpr int16_t kNewestByName = 12;

struct Ask {
  int64_t offset = 0;
  std::string rack = "r2";
  int32_t current_epoch = -1;
  int32_t last_fetched_epoch = -1;
  int32_t max_wait_ms = 0;
};

class FollowerFetchTest : public testing::DataPlaneTest {
 protected:
  FollowerFetchTest() {
    config_.selects_by_rack = true;
    services_.follower_reads = &reads_;
    register_broker(kSelf, "r1");
    register_broker(kThird, "r2");
  }
  void register_broker(BrokerId id, std::string rack, std::string listener = "PLAINTEXT", bool fenced = false) {
    record(
        metadata::RegisterBrokerRecord{.id = id,
                                       .rack = std::move(rack),
                                       .fenced = fenced,
                                       .listeners = {{.listener = std::move(listener), .host = "host", .port = 9000}}});
    publish();
  }
  void create_replicated(BrokerId leader, std::vector<BrokerId> isr = {kSelf, kOther, kThird}) {
    topic_ = random_.uuid();
    metadata::PartitionImage state = replication::testing::led_by(leader, kEpoch);
    state.replicas = {kSelf, kOther, kThird};
    state.isr = std::move(isr);
    record(metadata::TopicRecord{.id = topic_, .name = "t"});
    record(metadata::PartitionRecord{.topic = topic_, .index = PartitionIndex{0}, .state = state});
    publish();
  }
  // What feeds hold of partitions goes with them.
  ~FollowerFetchTest() override {
    for (const auto& partition : partitions_->all()) partition->abandon();
    feeds_->take();
  }
  // A replica elsewhere follows this leader and has the log up to `log_end`.
  void follow(BrokerId broker, int64_t log_end) {
    const auto feed = std::make_shared<replication::Feed>(partition("t"), broker,
                                                          replication::SubscriptionNumber{++number_}, feeds_, pulse_);
    const auto start = partition("t")->begin_feed(feed,
                                                  {.number = replication::SubscriptionNumber{number_},
                                                   .topic_id = topic_,
                                                   .leader_epoch = kEpoch,
                                                   .log_end = Offset{log_end},
                                                   .flushed = Offset{log_end},
                                                   .last_epoch = log_end > 0 ? kEpoch : kNoLeaderEpoch},
                                                  40);
    ASSERT_TRUE(start.is_accepted());
  }
  // As follower: what the leader sends.
  void receive(Values values, int64_t high_watermark) {
    if (find_source() == nullptr) create("source");
    const int64_t from = find_source()->offsets()->log_end.value();
    append("source", std::move(values));
    auto stored =
        find_source()->fetch(Offset{from}, 1 << 20, true, replication::Isolation::read_uncommitted, kNoLeaderEpoch);
    ASSERT_TRUE(stored);
    const auto taken = partition("t")->append_from_leader(
        kEpoch, {.leader_epoch = kEpoch, .high_watermark = Offset{high_watermark}, .batches = {bytes_of(stored->read)}},
        removed_);
    ASSERT_TRUE(taken) << taken.error().to_string();
  }
  std::shared_ptr<replication::Partition> find_source() { return partition("source"); }

  testing::Sent<FetchResponse> send(const Ask& ask, int16_t version = kNewestByName, int32_t session = 0,
                                    int32_t session_epoch = -1) {
    FetchRequest request;
    request.max_wait_ms = ask.max_wait_ms;
    request.min_bytes = 1;
    request.session_id = session;
    request.session_epoch = session_epoch;
    if (version >= 11) request.rack_id = ask.rack;
    auto& topic = request.topics.emplace_back();
    topic.topic = "t";
    auto& one = topic.partitions.emplace_back();
    one.partition = 0;
    one.fetch_offset = ask.offset;
    one.partition_max_bytes = 1 << 20;
    one.current_leader_epoch = ask.current_epoch;
    one.last_fetched_epoch = ask.last_fetched_epoch;
    return DataPlaneTest::send<FetchResponse>(&run_fetch, protocol::ApiKey::fetch, version, version >= 12, request);
  }
  auto fetch(const Ask& ask, int16_t version = kNewestByName) {
    return send(ask, version).response().responses.at(0).partitions.at(0);
  }
  int32_t preferred(const Ask& ask = {}, int16_t version = kNewestByName) {
    const auto answer = fetch(ask, version);
    EXPECT_EQ(answer.error_code, 0);
    if (answer.preferred_read_replica != -1) {
      EXPECT_EQ(values(answer), Values());
    }
    return answer.preferred_read_replica;
  }
  ErrorCode code(const Ask& ask, int16_t version = kNewestByName) {
    return static_cast<ErrorCode>(fetch(ask, version).error_code);
  }
  template <class Answer>
  static Values values(const Answer& answer) {
    if (answer.records.is_null() || answer.records.size() == 0) return {};
    return values_of(answer.records.bytes());
  }

  FollowerReadMetrics reads_;
  Uuid topic_;
  uint32_t number_ = 0;
  std::vector<std::string> removed_;
  std::shared_ptr<replication::WakeQueue<replication::Feed>> feeds_ =
      std::make_shared<replication::WakeQueue<replication::Feed>>(*loop_);
  std::shared_ptr<replication::LinkPulse> pulse_ = std::make_shared<replication::LinkPulse>();
};

TEST_F(FollowerFetchTest, the_leader_sends_a_consumer_to_a_follower_in_its_rack) {
  create_replicated(kSelf);
  append("t", {"a", "b"});
  follow(kOther, 2);
  for (const int16_t version : {int16_t{11}, int16_t{12}}) {
    const auto answer = fetch({}, version);
    EXPECT_EQ(answer.preferred_read_replica, kOther.value());
    EXPECT_EQ(answer.error_code, 0);
    EXPECT_EQ(values(answer), Values());
    EXPECT_EQ(answer.log_start_offset, 0);
  }
  EXPECT_EQ(reads_.redirects.value(), 2u);
}

TEST_F(FollowerFetchTest, it_serves_who_names_no_rack_its_own_or_one_in_which_nobody_is) {
  create_replicated(kSelf);
  follow(kOther, 0);
  EXPECT_EQ(preferred({.rack = ""}), -1);
  EXPECT_EQ(preferred({.rack = "r1"}), -1);
  EXPECT_EQ(preferred({.rack = "r3"}), -1);
  EXPECT_EQ(preferred({.rack = "r2"}), kOther.value());
  EXPECT_EQ(preferred({}, 10), -1) << "racks came with version 11";
  config_.selects_by_rack = false;
  EXPECT_EQ(preferred({.rack = "r2"}), -1);
}

TEST_F(FollowerFetchTest, only_to_one_that_is_in_sync_follows_and_holds_the_offset) {
  create_replicated(kSelf, {kSelf, kOther});
  append("t", {"a"});
  append("t", {"b"});
  EXPECT_EQ(preferred(), -1) << "nobody follows";
  follow(kThird, 2);
  EXPECT_EQ(preferred(), -1) << "it is not in sync";
  follow(kOther, 1);
  EXPECT_EQ(preferred({.offset = 1}), kOther.value());
  EXPECT_EQ(preferred({.offset = 2}), -1) << "it does not hold the offset";
}

TEST_F(FollowerFetchTest, only_to_one_that_is_alive_and_can_be_reached_by_the_same_listener) {
  create_replicated(kSelf);
  follow(kOther, 0);
  register_broker(kOther, "r2", "PLAINTEXT", true);
  EXPECT_EQ(preferred(), -1);
  register_broker(kOther, "r2", "INTERNAL");
  EXPECT_EQ(preferred(), -1);
  register_broker(kOther, "r2");
  EXPECT_EQ(preferred(), kOther.value());
}

TEST_F(FollowerFetchTest, to_the_most_caught_up_of_several) {
  create_replicated(kSelf);
  append("t", {"a"});
  append("t", {"b"});
  follow(kOther, 2);
  follow(kThird, 1);
  EXPECT_EQ(preferred(), kOther.value());
  follow(kThird, 2);
  EXPECT_EQ(preferred(), kThird.value());
}

TEST_F(FollowerFetchTest, a_client_with_a_wrong_leader_epoch_hears_that_first) {
  create_replicated(kSelf);
  follow(kOther, 0);
  EXPECT_EQ(code({.current_epoch = 2}), ErrorCode::fenced_leader_epoch);
  EXPECT_EQ(code({.current_epoch = 4}), ErrorCode::unknown_leader_epoch);
}

TEST_F(FollowerFetchTest, a_session_repeats_it_at_once_as_long_as_the_client_asks) {
  create_replicated(kSelf);
  follow(kOther, 0);
  const FetchResponse first = send({}, kNewestByName, 0, 0).response();
  ASSERT_NE(first.session_id, 0);
  EXPECT_EQ(first.responses.at(0).partitions.at(0).preferred_read_replica, kOther.value());
  const FetchResponse second = send({.max_wait_ms = 1000}, kNewestByName, first.session_id, 1).response();
  EXPECT_EQ(second.responses.at(0).partitions.at(0).preferred_read_replica, kOther.value());
}

TEST_F(FollowerFetchTest, a_follower_serves_what_it_knows_to_be_committed_to_whoever_may_know_of_it) {
  create_replicated(kOther);
  receive({"a", "b"}, 2);
  receive({"c"}, 2);
  const auto answer = fetch({});
  EXPECT_EQ(values(answer), Values({"a", "b"}));
  EXPECT_EQ(answer.high_watermark, 2);
  EXPECT_EQ(answer.preferred_read_replica, -1);
  EXPECT_EQ(values(fetch({.rack = ""}, 11)), Values({"a", "b"}));
  EXPECT_EQ(code({}, 10), ErrorCode::not_leader_or_follower);
  EXPECT_EQ(reads_.fetches.value(), 2u);
  EXPECT_GT(reads_.bytes.value(), 100u);
}

TEST_F(FollowerFetchTest, a_follower_knows_offsets_up_to_its_end_and_no_further) {
  create_replicated(kOther);
  receive({"a", "b"}, 1);
  EXPECT_EQ(code({.offset = 2}), ErrorCode::none);
  EXPECT_EQ(values(fetch({.offset = 2})), Values());
  EXPECT_EQ(code({.offset = 3}), ErrorCode::offset_out_of_range);
}

TEST_F(FollowerFetchTest, a_follower_checks_the_epochs_that_the_client_believes_in) {
  create_replicated(kOther);
  receive({"a"}, 1);
  EXPECT_EQ(code({.current_epoch = 2}), ErrorCode::fenced_leader_epoch);
  EXPECT_EQ(code({.current_epoch = 4}), ErrorCode::unknown_leader_epoch);
  EXPECT_EQ(values(fetch({.current_epoch = 3, .last_fetched_epoch = 3})), Values({"a"}));
  const auto cut = fetch({.offset = 2, .current_epoch = 3, .last_fetched_epoch = 3});
  EXPECT_EQ(cut.diverging_epoch.epoch, 3);
  EXPECT_EQ(cut.diverging_epoch.end_offset, 1);
  EXPECT_EQ(code({.offset = 1, .current_epoch = 3, .last_fetched_epoch = 4}), ErrorCode::offset_out_of_range);
}

TEST_F(FollowerFetchTest, a_fetch_that_waits_at_a_follower_is_answered_when_the_high_watermark_passes_its_offset) {
  create_replicated(kOther);
  receive({"a"}, 0);
  const auto sent = send({.max_wait_ms = 5000});
  EXPECT_FALSE(sent.is_answered());
  const auto known = partition("t")->learn({.leader_epoch = kEpoch, .high_watermark = Offset{1}}, removed_);
  ASSERT_TRUE(known) << known.error().to_string();
  ASSERT_TRUE(sent.is_answered());
  EXPECT_EQ(values(sent.response().responses.at(0).partitions.at(0)), Values({"a"}));
}

TEST_F(FollowerFetchTest, offsets_are_listed_by_the_leader_alone) {
  create_replicated(kOther);
  protocol::ListOffsetsRequest request;
  request.replica_id = -1;
  auto& topic = request.topics.emplace_back();
  topic.name = "t";
  topic.partitions.emplace_back().timestamp = -1;
  const auto response = DataPlaneTest::send<protocol::ListOffsetsResponse>(
                            &run_list_offsets, protocol::ApiKey::list_offsets, 5, false, request)
                            .response();
  EXPECT_EQ(response.topics.at(0).partitions.at(0).error_code, protocol::wire(ErrorCode::not_leader_or_follower));
}

}  // namespace
}  // namespace millrace::server::handlers
