#include "broker/protocol/messages/list_partition_reassignments.h"

#include "broker/metadata/commands.h"
#include "broker/metadata/image_store.h"
#include "broker/server/handler.h"
#include "broker/server/handlers/admin_reply.h"
#include "broker/server/handlers/cluster_answer.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {
namespace {

using protocol::ListPartitionReassignmentsRequest;
using protocol::ListPartitionReassignmentsResponse;

std::optional<std::vector<metadata::PartitionName>> asked_partitions(const ListPartitionReassignmentsRequest& request) {
  if (!request.topics) return std::nullopt;
  std::vector<metadata::PartitionName> names;
  for (const auto& topic : *request.topics) {
    for (const int32_t index : topic.partition_indexes) names.push_back({topic.name, PartitionIndex{index}});
  }
  return names;
}

// On the controller, whose image holds every reassignment that was answered.
void handle_list_partition_reassignments(Services& services, RequestContext, ListPartitionReassignmentsRequest request,
                                         Reply<ListPartitionReassignmentsResponse> reply) {
  const metadata::ImagePointer image = services.images->load();
  ListPartitionReassignmentsResponse response;
  set_outcome(response, Unit{});
  for (const metadata::Reassignment& one : metadata::list_reassignments(*image, asked_partitions(request))) {
    if (response.topics.empty() || response.topics.back().name != one.partition.topic) {
      response.topics.emplace_back().name = one.partition.topic;
    }
    auto& out = response.topics.back().partitions.emplace_back();
    out.partition_index = one.partition.partition.value();
    out.replicas = ids_of(one.replicas);
    out.adding_replicas = ids_of(one.adding);
    out.removing_replicas = ids_of(one.removing);
  }
  reply.send(response);
}

}  // namespace

void run_list_partition_reassignments(RawRequest request) {
  run_typed<&handle_list_partition_reassignments>(std::move(request));
}

}  // namespace millrace::server::handlers
