#include <gtest/gtest.h>

#include "broker/control/quorum_membership.h"
#include "broker/protocol/messages/add_raft_voter.h"
#include "broker/protocol/messages/describe_quorum.h"
#include "broker/protocol/messages/remove_raft_voter.h"
#include "broker/server/handlers/admin_test_support.h"

namespace millrace::server::handlers {
namespace {

using control::QuorumMemberName;
using protocol::AddRaftVoterRequest;
using protocol::AddRaftVoterResponse;
using protocol::DescribeQuorumRequest;
using protocol::RemoveRaftVoterRequest;

// A quorum that answers what the test says, and keeps what it was asked.
class PlayedQuorum final : public control::QuorumMembership {
 public:
  void add_voter(const QuorumMemberName& voter, Duration timeout, Done<Unit> done) override {
    asked.push_back({"add", voter, timeout});
    answer ? done(*answer) : waiting.push_back(std::move(done));
  }
  void remove_voter(const QuorumMemberName& voter, Duration timeout, Done<Unit> done) override {
    asked.push_back({"remove", voter, timeout});
    answer ? done(*answer) : waiting.push_back(std::move(done));
  }
  Result<control::QuorumDescription> describe() const override { return description; }

  struct Asked {
    std::string what;
    QuorumMemberName voter;
    Duration timeout;
    friend bool operator==(const Asked&, const Asked&) = default;
  };
  std::vector<Asked> asked;
  std::optional<Status> answer = ok();
  std::vector<Done<Unit>> waiting;
  Result<control::QuorumDescription> description = control::QuorumDescription{};
};

struct QuorumTest : AdminTest {
  PlayedQuorum quorum;
  const Uuid directory = Uuid::from_random(5, 6);
  QuorumTest() { services.quorum = &quorum; }

  AddRaftVoterRequest addition() const {
    AddRaftVoterRequest request;
    request.cluster_id = "the-cluster";
    request.timeout_ms = 1234;
    request.voter_id = 7;
    request.voter_directory_id = directory;
    auto& where = request.listeners.emplace_back();
    where.name = "CONTROLLER";
    where.host = "seven";
    where.port = 9097;
    return request;
  }
  RemoveRaftVoterRequest removal() const {
    RemoveRaftVoterRequest request;
    request.cluster_id = std::nullopt;
    request.voter_id = 7;
    request.voter_directory_id = directory;
    return request;
  }
  static DescribeQuorumRequest description_of(const std::string& topic, std::vector<int32_t> partitions) {
    DescribeQuorumRequest request;
    auto& asked = request.topics.emplace_back();
    asked.topic_name = topic;
    for (const int32_t index : partitions) asked.partitions.emplace_back().partition_index = index;
    return request;
  }
};

TEST_F(QuorumTest, a_voter_is_added_and_removed_in_every_version) {
  for (int16_t version = 0; version <= 1; ++version) {
    const auto added = call(&run_add_raft_voter, addition(), version);
    EXPECT_EQ(added.error_code, 0);
    EXPECT_EQ(added.error_message, std::nullopt);
  }
  EXPECT_EQ(call(&run_remove_raft_voter, removal(), 0).error_code, 0);
  const QuorumMemberName seven{BrokerId{7}, directory};
  EXPECT_EQ(quorum.asked, (std::vector<PlayedQuorum::Asked>{{"add", seven, std::chrono::milliseconds(1234)},
                                                            {"add", seven, std::chrono::milliseconds(1234)},
                                                            {"remove", seven, control::kMembershipTimeout}}));
}

TEST_F(QuorumTest, what_the_quorum_refuses_has_kafkas_code) {
  const std::vector<std::pair<Errc, int16_t>> codes{
      {Errc::not_controller, 41},   {Errc::duplicate_voter, 126}, {Errc::voter_not_found, 127},
      {Errc::invalid_argument, 42}, {Errc::timed_out, 7},         {Errc::outcome_unknown, 7},
      {Errc::policy_violation, 44}, {Errc::overloaded, 7},        {Errc::broker_not_registered, 102},
      {Errc::shutting_down, 41}};
  for (const auto& [code, wire] : codes) {
    quorum.answer = Status(Error{code, "words"});
    EXPECT_EQ(call(&run_add_raft_voter, addition(), 1).error_code, wire) << name_of(code);
    EXPECT_EQ(call(&run_remove_raft_voter, removal(), 0).error_code, wire) << name_of(code);
  }
}

TEST_F(QuorumTest, a_request_for_another_cluster_or_without_listeners_changes_nothing) {
  AddRaftVoterRequest add = addition();
  add.cluster_id = "another";
  EXPECT_EQ(call(&run_add_raft_voter, add, 1).error_code, 104);
  RemoveRaftVoterRequest remove = removal();
  remove.cluster_id = "another";
  EXPECT_EQ(call(&run_remove_raft_voter, remove, 0).error_code, 104);
  add = addition();
  add.listeners.clear();
  EXPECT_EQ(call(&run_add_raft_voter, add, 1).error_code, 42);
  for (auto spoil : {+[](AddRaftVoterRequest::Listener& one) { one.name.clear(); },
                     +[](AddRaftVoterRequest::Listener& one) { one.host.clear(); },
                     +[](AddRaftVoterRequest::Listener& one) { one.port = 0; }}) {
    add = addition();
    spoil(add.listeners[0]);
    EXPECT_EQ(call(&run_add_raft_voter, add, 1).error_code, 42);
  }
  EXPECT_TRUE(quorum.asked.empty());
}

TEST_F(QuorumTest, a_change_is_answered_when_it_is_made) {
  quorum.answer.reset();
  const auto sink = start(&run_add_raft_voter, addition(), 1);
  scheduler.run_for(std::chrono::seconds(60));
  EXPECT_TRUE(sink->frames.empty());
  quorum.waiting.front()(Unit{});
  EXPECT_EQ(reply<AddRaftVoterResponse>(*sink, 1)->error_code, 0);
}

TEST_F(QuorumTest, it_is_described_with_voters_observers_and_addresses) {
  using Kind = control::QuorumReplica::Kind;
  quorum.description = control::QuorumDescription{
      .leader = BrokerId{1},
      .epoch = 3,
      .high_watermark = Offset{10},
      .replicas = {{{BrokerId{1}, directory}, Kind::voter, {"one", 91}, Offset{11}, 500, 500},
                   {{BrokerId{2}, directory}, Kind::voter, {"", 0}, Offset{-1}, 400, -1},
                   {{BrokerId{3}, directory}, Kind::learner, {"three", 93}, Offset{9}, 300, 200},
                   {{BrokerId{4}, directory}, Kind::observer, {"four", 94}, Offset{8}, 300, 100}}};
  for (int16_t version = 0; version <= 2; ++version) {
    const auto response = call(&run_describe_quorum, description_of("__cluster_metadata", {0}), version);
    EXPECT_EQ(response.error_code, 0);
    ASSERT_EQ(response.topics.size(), 1u);
    EXPECT_EQ(response.topics[0].topic_name, "__cluster_metadata");
    ASSERT_EQ(response.topics[0].partitions.size(), 1u);
    const auto& partition = response.topics[0].partitions[0];
    EXPECT_EQ(partition.error_code, 0);
    EXPECT_EQ(partition.leader_id, 1);
    EXPECT_EQ(partition.leader_epoch, 3);
    EXPECT_EQ(partition.high_watermark, 10);
    ASSERT_EQ(partition.current_voters.size(), 2u);
    ASSERT_EQ(partition.observers.size(), 2u) << "a learner does not vote yet";
    EXPECT_EQ(partition.current_voters[1].replica_id, 2);
    EXPECT_EQ(partition.current_voters[0].log_end_offset, 11);
    EXPECT_EQ(partition.current_voters[1].log_end_offset, -1);
    EXPECT_EQ(partition.observers[1].replica_id, 4);
    EXPECT_EQ(partition.observers[1].last_fetch_timestamp, version >= 1 ? 300 : -1);
    EXPECT_EQ(partition.observers[1].last_caught_up_timestamp, version >= 1 ? 100 : -1);
    EXPECT_EQ(partition.observers[1].replica_directory_id, version >= 2 ? directory : Uuid{});
    if (version < 2) continue;
    ASSERT_EQ(response.nodes.size(), 2u);
    EXPECT_EQ(response.nodes[0].node_id, 1);
    EXPECT_EQ(response.nodes[0].listeners[0].name, "CONTROLLER");
    EXPECT_EQ(response.nodes[0].listeners[0].host, "one");
    EXPECT_EQ(response.nodes[0].listeners[0].port, 91);
    EXPECT_TRUE(response.nodes[1].listeners.empty()) << "nobody has said where it is";
  }
}

TEST_F(QuorumTest, what_has_no_quorum_is_unknown) {
  auto request = description_of("__cluster_metadata", {0, 1, 0});
  request.topics.push_back(description_of("t", {0}).topics[0]);
  const auto response = call(&run_describe_quorum, request, 2);
  ASSERT_EQ(response.topics.size(), 2u);
  EXPECT_EQ(response.topics[0].partitions[0].error_code, 0);
  EXPECT_EQ(response.topics[0].partitions[1].error_code, 3);
  EXPECT_EQ(response.topics[0].partitions[1].leader_id, -1);
  EXPECT_EQ(response.topics[0].partitions[2].error_code, 42);
  EXPECT_EQ(response.topics[1].partitions[0].error_code, 3);
}

TEST_F(QuorumTest, a_broker_that_does_not_lead_cannot_describe_it) {
  quorum.description = Error{Errc::not_controller, "broker 2 leads"};
  const auto response = call(&run_describe_quorum, description_of("__cluster_metadata", {0}), 2);
  EXPECT_EQ(response.error_code, 41);
  EXPECT_EQ(response.error_message, "broker 2 leads: not controller");
  EXPECT_TRUE(response.topics.empty());
}

}  // namespace
}  // namespace millrace::server::handlers
