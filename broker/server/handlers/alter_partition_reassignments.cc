#include "broker/protocol/messages/alter_partition_reassignments.h"

#include "broker/metadata/controller.h"
#include "broker/server/handler.h"
#include "broker/server/handlers/admin_reply.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/handlers/partition_outcomes.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {
namespace {

using protocol::AlterPartitionReassignmentsRequest;
using protocol::AlterPartitionReassignmentsResponse;

metadata::AlterReassignments command_of(const AlterPartitionReassignmentsRequest& request) {
  metadata::AlterReassignments command{.partitions = {},
                                       .allow_replication_factor_change = request.allow_replication_factor_change};
  for (const auto& topic : request.topics) {
    for (const auto& partition : topic.partitions) {
      auto& item = command.partitions.emplace_back();
      item.partition = {topic.name, PartitionIndex{partition.partition_index}};
      if (!partition.replicas) continue;  // to be cancelled
      item.replicas.emplace();
      for (const int32_t id : *partition.replicas) item.replicas->emplace_back(id);
    }
  }
  return command;
}

AlterPartitionReassignmentsResponse answer(const Result<metadata::AlterReassignmentsReply>& reply, bool allow_change) {
  AlterPartitionReassignmentsResponse response;
  response.allow_replication_factor_change = allow_change;
  if (!reply) {
    set_outcome(response, reply.error());
    return response;
  }
  set_outcome(response, Unit{});
  for_each_outcome(reply->partitions, [&](const metadata::PartitionName& name, const Status& outcome, bool new_topic) {
    if (new_topic) response.responses.emplace_back().name = name.topic;
    auto& out = response.responses.back().partitions.emplace_back();
    out.partition_index = name.partition.value();
    set_outcome(out, outcome);
  });
  return response;
}

void handle_alter_partition_reassignments(Services& services, RequestContext context,
                                          AlterPartitionReassignmentsRequest request,
                                          Reply<AlterPartitionReassignmentsResponse> reply) {
  const bool allow_change = request.allow_replication_factor_change;
  auto timed = std::make_shared<TimedReply<AlterPartitionReassignmentsResponse>>(std::move(reply));
  timed->expire_after(context, request.timeout_ms, [allow_change] {
    return answer(Error{Errc::timed_out, "the replicas may still be reassigned"}, allow_change);
  });
  services.controller->alter_reassignments(
      command_of(request), [timed, allow_change](const Result<metadata::AlterReassignmentsReply>& changed) {
        timed->complete(answer(changed, allow_change));
      });
}

}  // namespace

void run_alter_partition_reassignments(RawRequest request) {
  run_typed<&handle_alter_partition_reassignments>(std::move(request));
}

}  // namespace millrace::server::handlers
