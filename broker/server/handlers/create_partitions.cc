#include "broker/protocol/messages/create_partitions.h"

#include "broker/metadata/controller.h"
#include "broker/server/handler.h"
#include "broker/server/handlers/admin_reply.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {
namespace {

using protocol::CreatePartitionsRequest;
using protocol::CreatePartitionsResponse;

metadata::GrowTopic grow_topic(const auto& asked) {
  metadata::GrowTopic grow{.name = asked.name, .count = asked.count, .assignments = std::nullopt};
  if (!asked.assignments) return grow;
  grow.assignments.emplace();
  for (const auto& assignment : *asked.assignments) {
    auto& replicas = grow.assignments->emplace_back();
    for (const int32_t id : assignment.broker_ids) replicas.emplace_back(id);
  }
  return grow;
}

CreatePartitionsResponse all_fail(const std::vector<std::string>& names, const Error& error) {
  CreatePartitionsResponse response;
  for (const std::string& name : names) {
    auto& out = response.results.emplace_back();
    out.name = name;
    set_outcome(out, error);
  }
  return response;
}

CreatePartitionsResponse answer(const metadata::CreatePartitionsReply& reply) {
  CreatePartitionsResponse response;
  for (const auto& [name, outcome] : reply.topics) {
    auto& out = response.results.emplace_back();
    out.name = name;
    if (!outcome) set_outcome(out, outcome.error());
  }
  return response;
}

void handle_create_partitions(Services& services, RequestContext context, CreatePartitionsRequest request,
                              Reply<CreatePartitionsResponse> reply) {
  metadata::CreatePartitions command{.topics = {}, .validate_only = request.validate_only};
  std::vector<std::string> names;
  for (const auto& asked : request.topics) {
    command.topics.push_back(grow_topic(asked));
    names.push_back(asked.name);
  }
  auto timed = std::make_shared<TimedReply<CreatePartitionsResponse>>(std::move(reply));
  timed->expire_after(context, request.timeout_ms, [names] {
    return all_fail(names, Error{Errc::timed_out, "the partitions may still be added"});
  });
  services.controller->create_partitions(std::move(command),
                                         [timed, names](Result<metadata::CreatePartitionsReply> made) {
                                           timed->complete(made ? answer(*made) : all_fail(names, made.error()));
                                         });
}

}  // namespace

void run_create_partitions(RawRequest request) { run_typed<&handle_create_partitions>(std::move(request)); }

}  // namespace millrace::server::handlers
