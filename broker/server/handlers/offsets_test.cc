// ListOffsets, OffsetForLeaderEpoch, DescribeLogDirs and InitProducerId.

#include <deque>

#include <gtest/gtest.h>

#include "broker/protocol/error_code.h"
#include "broker/protocol/messages/describe_log_dirs.h"
#include "broker/protocol/messages/init_producer_id.h"
#include "broker/protocol/messages/list_offsets.h"
#include "broker/protocol/messages/offset_for_leader_epoch.h"
#include "broker/server/handlers/data_plane_test_support.h"
#include "broker/server/handlers/producer_ids.h"

namespace millrace::server::handlers {
namespace {

using protocol::ErrorCode;
using namespace protocol;  // NOLINT(google-build-using-namespace)
using replication::testing::make_batch;

constexpr Timestamp kStart = io::sim::SimClock::kStartWallMs;

class ListOffsetsTest : public testing::DataPlaneTest {
 protected:
  auto list(int64_t timestamp, int16_t version = 11, const std::string& topic = "t", int32_t epoch = -1) {
    ListOffsetsRequest request;
    request.replica_id = -1;
    auto& asked = request.topics.emplace_back();
    asked.name = topic;
    auto& partition = asked.partitions.emplace_back();
    partition.timestamp = timestamp;
    partition.current_leader_epoch = epoch;
    const auto response =
        send<ListOffsetsResponse>(&run_list_offsets, ApiKey::list_offsets, version, version >= 6, request).response();
    return response.topics.at(0).partitions.at(0);
  }
};

TEST_F(ListOffsetsTest, the_ends_are_the_log_start_and_the_high_watermark_with_their_epochs) {
  create("t");
  append("t", {"a", "b"});
  for (int16_t version = 1; version <= 11; ++version) {
    EXPECT_EQ(list(-1, version).offset, 2) << version;
    EXPECT_EQ(list(-2, version).offset, 0) << version;
    EXPECT_EQ(list(-1, version).timestamp, -1);
  }
  EXPECT_EQ(list(-1).leader_epoch, 3);
  EXPECT_EQ(list(-2).leader_epoch, 3);
}

TEST_F(ListOffsetsTest, a_time_gives_the_first_record_not_older_with_its_own_time) {
  create("t");
  append("t", {"a", "b", "c"});
  const auto found = list(kStart + 1);
  EXPECT_EQ(found.offset, 1);
  EXPECT_EQ(found.timestamp, kStart + 1);
  EXPECT_EQ(found.leader_epoch, 3);
  const auto none = list(kStart + 100);
  EXPECT_EQ(none.error_code, 0);
  EXPECT_EQ(none.offset, -1);
  EXPECT_EQ(none.timestamp, -1);
}

TEST_F(ListOffsetsTest, special_times_are_known_from_their_version_on) {
  create("t");
  append("t", {"a", "b"});
  EXPECT_EQ(list(-3, 7).offset, 1);
  EXPECT_EQ(list(-3, 7).timestamp, kStart + 1);
  EXPECT_EQ(list(-4, 8).offset, 0);
  EXPECT_EQ(list(-5, 9).offset, -1);
  EXPECT_EQ(list(-6, 11).offset, -1);
  const std::vector<std::pair<int64_t, int16_t>> unknown{{-3, 6}, {-4, 7}, {-5, 8}, {-6, 10}, {-7, 11}, {-100, 11}};
  for (const auto& [time, version] : unknown) {
    EXPECT_EQ(list(time, version).error_code, wire(ErrorCode::unsupported_version)) << time;
  }
}

TEST_F(ListOffsetsTest, errors_are_those_of_the_partition) {
  create("t");
  create("theirs", 1, testing::kOther);
  EXPECT_EQ(list(-1, 11, "missing").error_code, wire(ErrorCode::unknown_topic_or_partition));
  EXPECT_EQ(list(-1, 11, "theirs").error_code, wire(ErrorCode::not_leader_or_follower));
  EXPECT_EQ(list(-1, 11, "t", 2).error_code, wire(ErrorCode::fenced_leader_epoch));
  EXPECT_EQ(list(-1, 11, "t", 4).error_code, wire(ErrorCode::unknown_leader_epoch));
}

TEST_F(ListOffsetsTest, a_partition_named_twice_is_an_invalid_request) {
  create("t");
  ListOffsetsRequest request;
  auto& asked = request.topics.emplace_back();
  asked.name = "t";
  asked.partitions.resize(2);
  const auto response =
      send<ListOffsetsResponse>(&run_list_offsets, ApiKey::list_offsets, 11, true, request).response();
  for (const auto& one : response.topics.at(0).partitions) EXPECT_EQ(one.error_code, wire(ErrorCode::invalid_request));
}

class LeaderEpochTest : public testing::DataPlaneTest {
 protected:
  auto ask(int32_t epoch, int32_t current = -1, int16_t version = 4, const std::string& topic = "t") {
    OffsetForLeaderEpochRequest request;
    request.replica_id = -1;
    auto& asked = request.topics.emplace_back();
    asked.topic = topic;
    auto& partition = asked.partitions.emplace_back();
    partition.leader_epoch = epoch;
    partition.current_leader_epoch = current;
    const auto response =
        send<OffsetForLeaderEpochResponse>(&run_offset_for_leader_epoch, ApiKey::offset_for_leader_epoch, version,
                                           version >= 4, request)
            .response();
    return response.topics.at(0).partitions.at(0);
  }
};

TEST_F(LeaderEpochTest, epochs_end_at_the_log_end_or_are_unknown) {
  create("t");
  append("t", {"a", "b"});
  EXPECT_EQ(ask(3).end_offset, 2);
  EXPECT_EQ(ask(3).leader_epoch, 3);
  EXPECT_EQ(ask(9).end_offset, -1);
  EXPECT_EQ(ask(9).leader_epoch, -1);
  EXPECT_EQ(ask(9).error_code, 0);
  EXPECT_EQ(ask(1).end_offset, 0);
  EXPECT_EQ(ask(3, 2).error_code, wire(ErrorCode::fenced_leader_epoch));
  EXPECT_EQ(ask(3, 4).error_code, wire(ErrorCode::unknown_leader_epoch));
  EXPECT_EQ(ask(3, -1, 4, "missing").error_code, wire(ErrorCode::unknown_topic_or_partition));
}

class DescribeLogDirsTest : public testing::DataPlaneTest {
 protected:
  DescribeLogDirsResponse describe(const DescribeLogDirsRequest& request, int16_t version = 4) {
    return send<DescribeLogDirsResponse>(&run_describe_log_dirs, ApiKey::describe_log_dirs, version, version >= 2,
                                         request)
        .response();
  }
};

TEST_F(DescribeLogDirsTest, sizes_of_all_or_of_the_named_partitions_and_of_the_volume) {
  create("a", 2);
  create("b");
  append("a", {"x"}, 1);
  DescribeLogDirsRequest everything;
  everything.topics = std::nullopt;
  const auto all = describe(everything).results.at(0);
  EXPECT_EQ(all.log_dir, "/data");
  EXPECT_EQ(all.topics.size(), 2u);
  EXPECT_EQ(all.topics[0].partitions.at(1).partition_size, static_cast<int64_t>(make_batch({"x"}).size()));
  EXPECT_EQ(all.topics[0].partitions.at(1).offset_lag, 0);
  EXPECT_GT(all.total_bytes, 0);
  DescribeLogDirsRequest named;
  auto& topic = named.topics.emplace().emplace_back();
  topic.topic = "a";
  topic.partitions = {1};
  const auto some = describe(named).results.at(0);
  ASSERT_EQ(some.topics.size(), 1u);
  EXPECT_EQ(some.topics[0].partitions.size(), 1u);
}

// A controller that hands out blocks of two, when told.
class TwoAtATime final : public metadata::Controller {
 public:
  void create_topics(metadata::CreateTopics, Done<metadata::CreateTopicsReply>) override {}
  void delete_topics(metadata::DeleteTopics, Done<metadata::DeleteTopicsReply>) override {}
  void create_partitions(metadata::CreatePartitions, Done<metadata::CreatePartitionsReply>) override {}
  void alter_configs(metadata::AlterConfigs, Done<metadata::AlterConfigsReply>) override {}
  void register_broker(metadata::RegisterBroker, Done<metadata::RegisterBrokerReply>) override {}
  void set_fenced(metadata::SetFenced, Done<Unit>) override {}
  void unregister_broker(metadata::UnregisterBroker, Done<Unit>) override {}
  void broker_heartbeat(metadata::BrokerHeartbeat, Done<metadata::BrokerHeartbeatReply>) override {}
  void alter_partition(metadata::AlterPartition, Done<metadata::AlterPartitionReply>) override {}
  void elect_leaders(metadata::ElectLeaders, Done<metadata::ElectLeadersReply>) override {}
  void alter_reassignments(metadata::AlterReassignments, Done<metadata::AlterReassignmentsReply>) override {}
  void update_features(metadata::UpdateFeatures, Done<metadata::UpdateFeaturesReply>) override {}
  void may_stop(metadata::MayStop, Done<metadata::MayStopReply>) override {}
  void release_permit(metadata::ReleasePermit, Done<Unit>) override {}
  void decommission(metadata::Decommission, Done<Unit>) override {}
  void cancel_decommission(metadata::CancelDecommission, Done<Unit>) override {}
  void decommission_progress(BrokerId, Done<metadata::DecommissionProgress>) override {}
  void allocate_producer_ids(metadata::AllocateProducerIds, Done<metadata::ProducerIdBlock> done) override {
    asked.push_back(std::move(done));
  }
  void ensure_offsets_topic(Done<int32_t>) override {}
  void answer() {
    auto done = std::move(asked.front());
    asked.pop_front();
    done(metadata::ProducerIdBlock{.first = ProducerId{next}, .count = 2});
    next += 2;
  }
  std::deque<Done<metadata::ProducerIdBlock>> asked;
  int64_t next = 1000;
};

class InitProducerIdTest : public testing::DataPlaneTest {
 protected:
  InitProducerIdTest() { services_.producer_ids = &ids_; }
  auto init(std::optional<std::string> transactional_id = std::nullopt, int16_t version = 5) {
    InitProducerIdRequest request;
    request.transactional_id = std::move(transactional_id);
    return send<InitProducerIdResponse>(&run_init_producer_id, ApiKey::init_producer_id, version, version >= 2,
                                        request);
  }
  TwoAtATime controller_;
  ProducerIds ids_{controller_, testing::kSelf};
};

TEST_F(InitProducerIdTest, every_producer_gets_an_id_of_its_own_and_the_controller_is_asked_once_a_block) {
  const auto first = init();
  const auto second = init();
  const auto third = init();
  EXPECT_FALSE(first.is_answered());
  EXPECT_EQ(controller_.asked.size(), 1u);
  controller_.answer();
  EXPECT_EQ(first.response().producer_id, 1000);
  EXPECT_EQ(first.response().producer_epoch, 0);
  EXPECT_EQ(second.response().producer_id, 1001);
  EXPECT_FALSE(third.is_answered());
  controller_.answer();
  EXPECT_EQ(third.response().producer_id, 1002);
  EXPECT_EQ(init(std::nullopt, 0).response().producer_id, 1003);
  EXPECT_TRUE(controller_.asked.empty());
}

TEST_F(InitProducerIdTest, a_failed_controller_is_answered_and_asked_again_by_the_next) {
  const auto first = init();
  controller_.asked.front()(Errc::storage_offline);
  controller_.asked.pop_front();
  EXPECT_NE(first.response().error_code, 0);
  const auto second = init();
  controller_.answer();
  EXPECT_EQ(second.response().producer_id, 1000);
}

TEST_F(InitProducerIdTest, transactional_ids_are_refused_cleanly) {
  EXPECT_EQ(init("tx").response().error_code, wire(ErrorCode::unsupported_version));
  EXPECT_EQ(init("").response().error_code, wire(ErrorCode::invalid_request));
}

}  // namespace
}  // namespace millrace::server::handlers
