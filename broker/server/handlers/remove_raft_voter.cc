#include "broker/protocol/messages/remove_raft_voter.h"

#include "broker/server/handler.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/handlers/quorum_answer.h"

namespace millrace::server::handlers {
namespace {

using protocol::RemoveRaftVoterRequest;
using protocol::RemoveRaftVoterResponse;

void handle_remove_raft_voter(Services& services, RequestContext, RemoveRaftVoterRequest request,
                              Reply<RemoveRaftVoterResponse> reply) {
  const Status right = check_cluster(services, request.cluster_id);
  if (!right) return reply.send(membership_answer<RemoveRaftVoterResponse>(right.error()));
  auto held = std::make_shared<TimedReply<RemoveRaftVoterResponse>>(std::move(reply));  // the quorum keeps to the time
  quorum_of(services).remove_voter(
      {BrokerId{request.voter_id}, request.voter_directory_id}, control::kMembershipTimeout,
      [held](const Result<Unit>& removed) { held->complete(membership_answer<RemoveRaftVoterResponse>(removed)); });
}

}  // namespace

void run_remove_raft_voter(RawRequest request) { run_typed<&handle_remove_raft_voter>(std::move(request)); }

}  // namespace millrace::server::handlers
