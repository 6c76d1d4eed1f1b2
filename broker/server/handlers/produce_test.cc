#include "broker/protocol/messages/produce.h"

#include <gtest/gtest.h>

#include "broker/base/crc32c.h"
#include "broker/protocol/error_code.h"
#include "broker/server/handlers/data_plane_test_support.h"

namespace millrace::server::handlers {
namespace {

using protocol::ErrorCode;
using protocol::ProduceRequest;
using protocol::ProduceResponse;
using replication::testing::bytes_of;
using replication::testing::make_batch;
using replication::testing::values_of;
using testing::Sent;
using Values = std::vector<std::string>;

constexpr int16_t kNewest = 12;

class ProduceTest : public testing::DataPlaneTest {
 protected:
  struct Options {
    int16_t acks = -1;
    int16_t version = kNewest;
    int32_t timeout_ms = 1000;
    std::optional<std::string> transactional_id = std::nullopt;
  };
  static ProduceRequest request(const std::string& topic, int32_t partition, protocol::Records records,
                                const Options& options) {
    ProduceRequest request;
    request.transactional_id = options.transactional_id;
    request.acks = options.acks;
    request.timeout_ms = options.timeout_ms;
    add(request, topic, partition, std::move(records));
    return request;
  }
  static void add(ProduceRequest& request, const std::string& topic, int32_t partition, protocol::Records records) {
    auto& asked_topic = request.topic_data.emplace_back();
    asked_topic.name = topic;
    auto& asked = asked_topic.partition_data.emplace_back();
    asked.index = partition;
    asked.records = std::move(records);
  }
  Sent<ProduceResponse> send(const ProduceRequest& request, int16_t version = kNewest) {
    return DataPlaneTest::send<ProduceResponse>(&run_produce, protocol::ApiKey::produce, version, version >= 9,
                                                request);
  }
  Sent<ProduceResponse> produce(const std::string& topic, protocol::Records records, const Options& options) {
    return send(request(topic, 0, std::move(records), options), options.version);
  }
  Sent<ProduceResponse> produce(const std::string& topic, protocol::Records records) {
    return produce(topic, std::move(records), Options{});
  }
  static auto answer(const Sent<ProduceResponse>& sent) {
    const ProduceResponse response = sent.response();
    EXPECT_EQ(response.responses.size(), 1u);
    return response.responses.at(0).partition_responses.at(0);
  }
  static ErrorCode code(const Sent<ProduceResponse>& sent) { return static_cast<ErrorCode>(answer(sent).error_code); }
  Values read(const std::string& topic) {
    const auto result =
        partition(topic)->fetch(Offset{0}, 1 << 20, true, replication::Isolation::read_uncommitted, kNoLeaderEpoch);
    EXPECT_TRUE(result) << result.error().to_string();
    return result ? values_of(bytes_of(result->read)) : Values{};
  }
};

TEST_F(ProduceTest, records_are_appended_and_their_offset_is_answered) {
  create("t");
  ASSERT_EQ(code(produce("t", make_batch({"a", "b"}))), ErrorCode::none);
  const auto second = answer(produce("t", make_batch({"c"})));
  EXPECT_EQ(second.base_offset, 2);
  EXPECT_EQ(second.log_append_time_ms, -1);
  EXPECT_EQ(second.log_start_offset, 0);
  EXPECT_EQ(read("t"), Values({"a", "b", "c"}));
}

TEST_F(ProduceTest, every_accepted_version_appends) {
  create("t");
  for (int16_t version = 3; version <= 12; ++version) {
    EXPECT_EQ(code(produce("t", make_batch({"v"}), {.version = version})), ErrorCode::none) << version;
  }
  EXPECT_EQ(read("t").size(), 10u);
}

TEST_F(ProduceTest, version_13_names_topics_by_id) {
  const Uuid id = create("t");
  ProduceRequest by_id = request("", 0, make_batch({"a"}), {});
  by_id.topic_data[0].topic_id = id;
  const auto sent = send(by_id, 13);
  EXPECT_EQ(code(sent), ErrorCode::none);
  EXPECT_EQ(sent.response().responses[0].topic_id, id);
  by_id.topic_data[0].topic_id = Uuid::from_random(8, 9);
  EXPECT_EQ(code(send(by_id, 13)), ErrorCode::unknown_topic_id);
}

TEST_F(ProduceTest, partitions_of_one_request_succeed_and_fail_each_for_itself) {
  create("t", 2);
  ProduceRequest both = request("t", 0, make_batch({"a"}), {});
  add(both, "missing", 0, make_batch({"b"}));
  add(both, "t", 1, make_batch({"c"}));
  add(both, "t", 2, make_batch({"d"}));
  const ProduceResponse response = send(both).response();
  std::vector<int16_t> codes;
  for (const auto& topic : response.responses) codes.push_back(topic.partition_responses.at(0).error_code);
  EXPECT_EQ(codes, (std::vector<int16_t>{0, 3, 0, 3}));
}

TEST_F(ProduceTest, a_partition_led_elsewhere_names_its_leader_from_version_10_on) {
  create("t", 1, testing::kOther);
  const auto sent = produce("t", make_batch({"a"}));
  EXPECT_EQ(code(sent), ErrorCode::not_leader_or_follower);
  EXPECT_EQ(answer(sent).current_leader.leader_id, testing::kOther.value());
  EXPECT_EQ(answer(sent).current_leader.leader_epoch, 3);
  const ProduceResponse response = sent.response();
  ASSERT_EQ(response.node_endpoints.size(), 1u);
  EXPECT_EQ(response.node_endpoints[0].host, "other");
  EXPECT_EQ(response.node_endpoints[0].port, 9999);
  EXPECT_EQ(code(produce("t", make_batch({"a"}), {.version = 9})), ErrorCode::not_leader_or_follower);
}

TEST_F(ProduceTest, a_log_that_could_not_be_opened_is_a_storage_error) {
  machine_.fs.set_capacity(0);
  create("t");
  EXPECT_EQ(code(produce("t", make_batch({"a"}))), ErrorCode::kafka_storage_error);
}

TEST_F(ProduceTest, records_of_a_partition_that_comes_in_a_moment_wait_for_it_and_hold_what_follows_them) {
  connections_hold_ = true;
  create("here");
  ProduceRequest both = request("new", 0, make_batch({"a"}), {});
  add(both, "here", 0, make_batch({"b"}));
  const auto sent = send(both);
  EXPECT_FALSE(sent.is_answered());
  EXPECT_TRUE(sent.reply->is_held);
  EXPECT_EQ(read("here"), Values{"b"}) << "does not wait";
  create("new");
  scheduler_.run_for(Duration::zero());
  EXPECT_FALSE(sent.reply->is_held);
  EXPECT_FALSE(sent.reply->waited_in_vain);
  const ProduceResponse response = sent.response();
  EXPECT_EQ(response.responses[0].name, "new");
  EXPECT_EQ(response.responses[0].partition_responses[0].error_code, 0);
  EXPECT_EQ(response.responses[1].name, "here");
  EXPECT_EQ(response.responses[1].partition_responses[0].error_code, 0);
  EXPECT_EQ(read("new"), Values{"a"});
}

TEST_F(ProduceTest, a_partition_that_does_not_come_is_unknown_after_a_moment) {
  connections_hold_ = true;
  const auto sent = produce("missing", make_batch({"a"}));
  create("other");
  scheduler_.run_for(std::chrono::milliseconds(99));
  EXPECT_FALSE(sent.is_answered());
  scheduler_.run_for(std::chrono::milliseconds(2));
  EXPECT_EQ(code(sent), ErrorCode::unknown_topic_or_partition);
  EXPECT_FALSE(sent.reply->is_held);
  EXPECT_TRUE(sent.reply->waited_in_vain);
}

TEST_F(ProduceTest, nothing_waits_for_a_partition_longer_than_its_request_or_the_broker) {
  connections_hold_ = true;
  EXPECT_EQ(code(produce("missing", make_batch({"a"}), {.timeout_ms = 0})), ErrorCode::unknown_topic_or_partition);
  const auto sent = produce("missing", make_batch({"a"}));
  EXPECT_FALSE(sent.is_answered());
  purgatory_.shut_down();
  scheduler_.run_for(Duration::zero());
  EXPECT_EQ(code(sent), ErrorCode::unknown_topic_or_partition);
}

TEST_F(ProduceTest, acks_other_than_minus_one_zero_and_one_are_refused) {
  create("t");
  for (const int16_t acks : {int16_t{2}, int16_t{-2}, int16_t{100}}) {
    EXPECT_EQ(code(produce("t", make_batch({"a"}), {.acks = acks})), ErrorCode::invalid_required_acks);
  }
  EXPECT_EQ(read("t"), Values{});
}

TEST_F(ProduceTest, acks_zero_gets_no_reply_and_its_connection_is_closed_on_an_error) {
  create("t");
  EXPECT_EQ(produce("t", make_batch({"a"}), {.acks = 0}).reply->outcome(), ReplySink::Outcome::no_response);
  EXPECT_EQ(read("t"), Values({"a"}));
  EXPECT_TRUE(produce("missing", make_batch({"a"}), {.acks = 0}).is_closed());
}

TEST_F(ProduceTest, who_is_refused_because_no_controller_answers_is_sent_away_to_ask_another_broker) {
  const Uuid id = create("t", 1, testing::kSelf);
  metadata::PartitionImage state = replication::testing::led_by(testing::kSelf, LeaderEpoch{4});
  state.replicas.push_back(testing::kOther);
  state.isr.push_back(testing::kOther);
  record(metadata::PartitionChangeRecord{.topic = id, .index = PartitionIndex{0}, .state = state});
  publish();
  EXPECT_EQ(produce("t", make_batch({"a"}), {.acks = 1}).reply->outcome(), ReplySink::Outcome::reply);
  const auto waits = produce("t", make_batch({"b"}), {.acks = -1});
  const auto partition = services_.partitions->find("t", PartitionIndex{0});
  ASSERT_TRUE(partition->look_at_isolation(machine_.clock.now()).refuses);
  for (const auto& sent : {waits, produce("t", make_batch({"c"}), {.acks = 1})}) {
    EXPECT_EQ(code(sent), ErrorCode::not_leader_or_follower);
    EXPECT_EQ(sent.reply->outcome(), ReplySink::Outcome::last_reply);
  }
  EXPECT_FALSE(partition->look_at_isolation(std::nullopt).refuses);
  EXPECT_EQ(produce("t", make_batch({"d"}), {.acks = 1}).reply->outcome(), ReplySink::Outcome::reply);
}

TEST_F(ProduceTest, with_flush_messages_the_reply_waits_for_the_flush_whatever_the_acks) {
  create("t", 1, testing::kSelf, {{"flush.messages", "1"}});
  const auto all = produce("t", make_batch({"a"}), {.acks = -1});
  const auto one = produce("t", make_batch({"b"}), {.acks = 1});
  EXPECT_FALSE(all.is_answered());
  EXPECT_FALSE(one.is_answered());
  flush();
  EXPECT_EQ(code(all), ErrorCode::none);
  EXPECT_EQ(answer(one).base_offset, 1);
}

TEST_F(ProduceTest, a_flush_that_does_not_come_in_time_is_a_timeout_and_the_records_may_stay) {
  create("t", 1, testing::kSelf, {{"flush.messages", "1"}});
  const auto sent = produce("t", make_batch({"a"}), {.timeout_ms = 500});
  scheduler_.run_for(std::chrono::milliseconds(499));
  EXPECT_FALSE(sent.is_answered());
  scheduler_.run_for(std::chrono::milliseconds(2));
  EXPECT_EQ(code(sent), ErrorCode::request_timed_out);
  EXPECT_EQ(answer(sent).base_offset, -1);
  flush();
  EXPECT_EQ(read("t"), Values({"a"}));
}

TEST_F(ProduceTest, a_failed_flush_is_a_storage_error_at_once) {
  create("t", 1, testing::kSelf, {{"flush.messages", "1"}});
  const auto sent = produce("t", make_batch({"a"}));
  machine_.fs.fail_flushes(true);
  flush();
  EXPECT_EQ(code(sent), ErrorCode::kafka_storage_error);
}

TEST_F(ProduceTest, a_topic_deleted_while_its_produce_waits_is_unknown) {
  const Uuid id = create("t", 1, testing::kSelf, {{"flush.messages", "1"}});
  const auto sent = produce("t", make_batch({"a"}));
  remove(id);
  EXPECT_EQ(code(sent), ErrorCode::unknown_topic_or_partition);
}

TEST_F(ProduceTest, shutting_down_answers_what_waits) {
  create("t", 1, testing::kSelf, {{"flush.messages", "1"}});
  const auto sent = produce("t", make_batch({"a"}));
  purgatory_.shut_down();
  EXPECT_EQ(code(sent), ErrorCode::request_timed_out);
}

TEST_F(ProduceTest, internal_topics_are_refused_except_to_the_admin_client) {
  create("__consumer_offsets");
  EXPECT_EQ(code(produce("__consumer_offsets", make_batch({"a"}))), ErrorCode::invalid_topic_exception);
  client_id_ = "__admin_client";
  EXPECT_EQ(code(produce("__consumer_offsets", make_batch({"a"}))), ErrorCode::none);
}

TEST_F(ProduceTest, nothing_two_batches_and_half_a_batch_are_refused) {
  create("t");
  EXPECT_EQ(code(produce("t", protocol::Records())), ErrorCode::invalid_record);
  EXPECT_EQ(code(produce("t", Bytes())), ErrorCode::invalid_record);
  const Bytes one = make_batch({"a"});
  std::vector<std::byte> two(one.data(), one.data() + one.size());
  two.insert(two.end(), one.data(), one.data() + one.size());
  EXPECT_EQ(code(produce("t", Bytes::adopt(two))), ErrorCode::invalid_record);
  EXPECT_NE(code(produce("t", one.slice(0, one.size() - 3))), ErrorCode::none);
  EXPECT_NE(code(produce("t", one.slice(0, 20))), ErrorCode::none);
  EXPECT_EQ(read("t"), Values{});
}

TEST_F(ProduceTest, a_wrong_checksum_is_corrupt_and_a_large_batch_too_large) {
  create("t", 1, testing::kSelf, {{"max.message.bytes", "1000"}});
  Bytes corrupt = make_batch({"a"});
  corrupt.mutable_data()[corrupt.size() - 2] ^= std::byte{1};
  EXPECT_EQ(code(produce("t", corrupt)), ErrorCode::corrupt_message);
  EXPECT_EQ(code(produce("t", make_batch({std::string(2000, 'x')}))), ErrorCode::message_too_large);
}

TEST_F(ProduceTest, a_batch_far_in_the_future_is_an_invalid_timestamp_with_a_message) {
  create("t");
  const auto sent =
      produce("t", make_batch({.values = {"a"}, .first_timestamp = machine_.clock.wall_ms() + 7'200'000}));
  EXPECT_EQ(code(sent), ErrorCode::invalid_timestamp);
  EXPECT_TRUE(answer(sent).error_message.has_value());
}

TEST_F(ProduceTest, zstd_needs_version_7) {
  create("t");
  Bytes zstd = make_batch({.values = {"a"}, .attributes = 4});
  EXPECT_EQ(code(produce("t", zstd, {.version = 6})), ErrorCode::unsupported_compression_type);
}

TEST_F(ProduceTest, transactions_are_refused_cleanly) {
  create("t");
  EXPECT_EQ(code(produce("t", make_batch({"a"}), {.transactional_id = "tx"})), ErrorCode::invalid_txn_state);
  EXPECT_EQ(code(produce("t", make_batch({.values = {"a"},
                                          .producer = ProducerId{1},
                                          .producer_epoch = ProducerEpoch{0},
                                          .first_sequence = Sequence{0},
                                          .attributes = 1 << 4}))),
            ErrorCode::invalid_txn_state);
  EXPECT_EQ(read("t"), Values{});
}

TEST_F(ProduceTest, idempotent_producers_get_the_first_offset_again_and_gaps_refused) {
  create("t");
  const auto batch = [](int32_t sequence, int16_t epoch = 0) {
    return make_batch({.values = {"a"},
                       .producer = ProducerId{5},
                       .producer_epoch = ProducerEpoch{epoch},
                       .first_sequence = Sequence{sequence}});
  };
  EXPECT_EQ(code(produce("t", batch(0, 1))), ErrorCode::none);
  EXPECT_EQ(answer(produce("t", batch(1, 1))).base_offset, 1);
  EXPECT_EQ(answer(produce("t", batch(0, 1))).base_offset, 0);
  EXPECT_EQ(code(produce("t", batch(5, 1))), ErrorCode::out_of_order_sequence_number);
  EXPECT_EQ(code(produce("t", batch(0, 0))), ErrorCode::invalid_producer_epoch);
  EXPECT_EQ(read("t").size(), 2u);
}

TEST_F(ProduceTest, log_append_time_is_set_and_answered) {
  create("t", 1, testing::kSelf, {{"message.timestamp.type", "LogAppendTime"}});
  machine_.clock.advance(std::chrono::seconds(3));
  EXPECT_EQ(answer(produce("t", make_batch({"a"}))).log_append_time_ms, machine_.clock.wall_ms());
}

TEST_F(ProduceTest, too_few_in_sync_replicas_refuse_acks_all_only) {
  const Uuid id = create("t", 1, testing::kSelf, {{"min.insync.replicas", "2"}});
  EXPECT_EQ(code(produce("t", make_batch({"a"}))), ErrorCode::none) << "there is no second replica to wait for";
  metadata::PartitionImage state = replication::testing::led_by(testing::kSelf, LeaderEpoch{4});
  state.replicas.push_back(testing::kOther);
  record(metadata::PartitionChangeRecord{.topic = id, .index = PartitionIndex{0}, .state = state});
  publish();
  EXPECT_EQ(code(produce("t", make_batch({"a"}))), ErrorCode::not_enough_replicas);
  EXPECT_EQ(code(produce("t", make_batch({"a"}), {.acks = 1})), ErrorCode::none);
}

TEST_F(ProduceTest, a_full_disk_is_a_storage_error_until_space_returns) {
  create("t");
  ASSERT_EQ(code(produce("t", make_batch({"a"}))), ErrorCode::none);
  machine_.fs.set_capacity(1);
  EXPECT_EQ(code(produce("t", make_batch({"b"}))), ErrorCode::kafka_storage_error);
  EXPECT_EQ(read("t"), Values({"a"}));
  machine_.fs.set_capacity(io::sim::SimFileSystem::kNever);
  EXPECT_EQ(code(produce("t", make_batch({"c"}))), ErrorCode::none);
  EXPECT_EQ(read("t"), Values({"a", "c"}));
}

}  // namespace
}  // namespace millrace::server::handlers
