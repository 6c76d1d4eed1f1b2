// What WireClient asks about the metadata quorum, and the changes of its voters.

#include <utility>

#include "broker/protocol/messages/add_raft_voter.h"
#include "broker/protocol/messages/describe_quorum.h"
#include "broker/protocol/messages/remove_raft_voter.h"
#include "operator/admin/wire_calls.h"

namespace millrace::admin {

namespace {

constexpr const char* kMetadataTopic = "__cluster_metadata";
constexpr const char* kListener = "CONTROLLER";  // Kafka's usual name of it; brokers look at the registration instead

std::string name_of(BrokerId id) { return "broker " + std::to_string(id.value()); }

template <class Replicas>
std::vector<QuorumMember> members(const Replicas& replicas) {
  std::vector<QuorumMember> result;
  for (const auto& one : replicas) {
    result.push_back(
        {.id = BrokerId(one.replica_id), .directory = one.replica_directory_id, .log_end = one.log_end_offset});
  }
  return result;
}

}  // namespace

Result<QuorumDescription> WireClient::describe_quorum() {
  protocol::DescribeQuorumRequest request;
  auto& topic = request.topics.emplace_back();
  topic.topic_name = kMetadataTopic;
  topic.partitions.emplace_back().partition_index = 0;
  TRY_ASSIGN(const protocol::DescribeQuorumResponse response, read(request));
  TRY(status_of(response.error_code, response.error_message, "the metadata quorum"));
  if (response.topics.empty() || response.topics.front().partitions.empty()) {
    return Error{Errc::malformed, "the answer has nothing about the metadata quorum"};
  }
  const auto& log = response.topics.front().partitions.front();
  TRY(status_of(log.error_code, log.error_message, "the metadata quorum"));
  return QuorumDescription{
      .high_watermark = log.high_watermark, .voters = members(log.current_voters), .observers = members(log.observers)};
}

Status WireClient::add_voter(const NewVoter& voter) {
  protocol::AddRaftVoterRequest request;
  request.cluster_id.reset();                     // whichever this is
  request.timeout_ms = request_timeout_ms() / 2;  // its answer has to come in time, too
  request.voter_id = voter.id.value();
  request.voter_directory_id = voter.directory;
  auto& listener = request.listeners.emplace_back();
  listener.name = kListener;
  listener.host = voter.host;
  listener.port = voter.port;
  return at_controller([&]() -> Status {
    TRY_ASSIGN(const protocol::AddRaftVoterResponse response, call_once(request));
    return status_of(response.error_code, response.error_message, name_of(voter.id));
  });
}

Status WireClient::remove_voter(BrokerId id, const Uuid& directory) {
  protocol::RemoveRaftVoterRequest request;
  request.cluster_id.reset();
  request.voter_id = id.value();
  request.voter_directory_id = directory;
  return at_controller([&]() -> Status {
    TRY_ASSIGN(const protocol::RemoveRaftVoterResponse response, call_once(request));
    return status_of(response.error_code, response.error_message, name_of(id));
  });
}

}  // namespace millrace::admin
