#include "broker/protocol/messages/add_raft_voter.h"

#include "broker/server/handler.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/handlers/quorum_answer.h"

namespace millrace::server::handlers {
namespace {

using protocol::AddRaftVoterRequest;
using protocol::AddRaftVoterResponse;

// Clients have to name the voter's listeners. Where it is reached is known from its registration, which moves with it.
Status check_listeners(const AddRaftVoterRequest& request) {
  if (request.listeners.empty()) return Error{Errc::invalid_argument, "the voter has no listener"};
  for (const auto& listener : request.listeners) {
    if (listener.name.empty() || listener.host.empty() || listener.port == 0) {
      return Error{Errc::invalid_argument, "listener " + listener.name + " at " + listener.host + ":" +
                                               std::to_string(listener.port) + " is none"};
    }
  }
  return ok();
}

// Answered when the voter votes, also to who did not want to wait for that: it asks nothing of the asking node.
void handle_add_raft_voter(Services& services, RequestContext, AddRaftVoterRequest request,
                           Reply<AddRaftVoterResponse> reply) {
  Status right = check_cluster(services, request.cluster_id);
  if (right) right = check_listeners(request);
  if (!right) return reply.send(membership_answer<AddRaftVoterResponse>(right.error()));
  auto held = std::make_shared<TimedReply<AddRaftVoterResponse>>(std::move(reply));  // the quorum keeps to the time
  quorum_of(services).add_voter(
      {BrokerId{request.voter_id}, request.voter_directory_id}, std::chrono::milliseconds(request.timeout_ms),
      [held](const Result<Unit>& added) { held->complete(membership_answer<AddRaftVoterResponse>(added)); });
}

}  // namespace

void run_add_raft_voter(RawRequest request) { run_typed<&handle_add_raft_voter>(std::move(request)); }

}  // namespace millrace::server::handlers
