// What WireClient asks and changes about the metadata quorum.

#include "broker/protocol/messages/add_raft_voter.h"
#include "broker/protocol/messages/describe_quorum.h"
#include "broker/protocol/messages/remove_raft_voter.h"
#include "operator/admin/wire_client_test_support.h"

namespace millrace::admin {
namespace {

TEST_F(WireClientTest, the_quorum_is_described_and_its_voters_change) {
  const Uuid directory = Uuid::from_random(1, 2);
  broker_.on<protocol::DescribeQuorumRequest>([&](const protocol::DescribeQuorumRequest& request, int16_t) {
    EXPECT_EQ(request.topics.at(0).topic_name, "__cluster_metadata");
    protocol::DescribeQuorumResponse response;
    auto& log = response.topics.emplace_back().partitions.emplace_back();
    log.high_watermark = 9;
    auto& voter = log.current_voters.emplace_back();
    voter.replica_id = 1;
    voter.replica_directory_id = directory;
    voter.log_end_offset = 9;
    log.observers.emplace_back().replica_id = 4;
    return response;
  });
  broker_.on<protocol::AddRaftVoterRequest>([&](const protocol::AddRaftVoterRequest& request, int16_t) {
    EXPECT_FALSE(request.cluster_id) << "an empty one is that of no cluster";
    EXPECT_EQ(request.voter_id, 4);
    EXPECT_EQ(request.voter_directory_id, directory);
    EXPECT_EQ(request.listeners.at(0).host, "h");
    EXPECT_EQ(request.listeners.at(0).port, 9091);
    EXPECT_EQ(request.timeout_ms, 5000);
    protocol::AddRaftVoterResponse response;
    response.error_code = protocol::wire(ErrorCode::duplicate_voter);
    return response;
  });
  broker_.on<protocol::RemoveRaftVoterRequest>([&](const protocol::RemoveRaftVoterRequest& request, int16_t) {
    EXPECT_FALSE(request.cluster_id);
    EXPECT_EQ(request.voter_directory_id, directory);
    protocol::RemoveRaftVoterResponse response;
    response.error_code = protocol::wire(ErrorCode::voter_not_found);
    return response;
  });
  const auto quorum = client().describe_quorum();
  ASSERT_TRUE(quorum.has_value()) << quorum.error().to_string();
  EXPECT_EQ(quorum->high_watermark, 9);
  EXPECT_EQ(quorum->voters.at(0).directory, directory);
  EXPECT_EQ(quorum->voters.at(0).log_end, 9);
  EXPECT_EQ(quorum->observers.at(0).id, BrokerId(4));
  const Status added = client().add_voter({.id = BrokerId(4), .directory = directory, .host = "h", .port = 9091});
  EXPECT_EQ(added.error().code, Errc::duplicate_voter);
  EXPECT_EQ(client().remove_voter(BrokerId(1), directory).error().code, Errc::voter_not_found);
}

}  // namespace
}  // namespace millrace::admin
