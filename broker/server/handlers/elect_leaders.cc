#include "broker/protocol/messages/elect_leaders.h"

#include "broker/metadata/controller.h"
#include "broker/server/handler.h"
#include "broker/server/handlers/admin_reply.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/handlers/partition_outcomes.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {
namespace {

using metadata::ElectionKind;
using protocol::ElectLeadersRequest;
using protocol::ElectLeadersResponse;
using Outcomes = std::vector<std::pair<metadata::PartitionName, Status>>;
using Asked = std::optional<std::vector<metadata::PartitionName>>;  // none: all partitions

Asked asked_partitions(const ElectLeadersRequest& request) {
  if (!request.topic_partitions) return std::nullopt;
  std::vector<metadata::PartitionName> names;
  for (const auto& topic : *request.topic_partitions) {
    for (const int32_t index : topic.partitions) names.push_back({topic.topic, PartitionIndex{index}});
  }
  return names;
}

ElectLeadersResponse answer(const Outcomes& outcomes) {
  ElectLeadersResponse response;
  for_each_outcome(outcomes, [&](const metadata::PartitionName& name, const Status& outcome, bool new_topic) {
    if (new_topic) response.replica_election_results.emplace_back().topic = name.topic;
    auto& out = response.replica_election_results.back().partition_result.emplace_back();
    out.partition_id = name.partition.value();
    set_outcome(out, outcome);
  });
  return response;
}

// Also for each partition that was named: version 0 has no error of the whole.
ElectLeadersResponse all_fail(const Asked& asked, const Error& error) {
  Outcomes outcomes;
  for (const metadata::PartitionName& name : asked.value_or(std::vector<metadata::PartitionName>{})) {
    outcomes.emplace_back(name, error);
  }
  ElectLeadersResponse response = answer(outcomes);
  response.error_code = static_cast<int16_t>(admin_error_code(error.code));
  return response;
}

void handle_elect_leaders(Services& services, RequestContext context, ElectLeadersRequest request,
                          Reply<ElectLeadersResponse> reply) {
  const auto kind = static_cast<ElectionKind>(request.election_type);
  Asked asked = asked_partitions(request);
  if (kind != ElectionKind::preferred && kind != ElectionKind::unclean) {
    const std::string words = "election type " + std::to_string(request.election_type);
    return reply.send(all_fail(asked, Error{Errc::invalid_argument, words}));
  }
  auto timed = std::make_shared<TimedReply<ElectLeadersResponse>>(std::move(reply));
  timed->expire_after(context, request.timeout_ms, [asked] {
    return all_fail(asked, Error{Errc::timed_out, "leaders may still be elected"});
  });
  services.controller->elect_leaders(
      {.kind = kind, .partitions = asked}, [timed, asked](const Result<metadata::ElectLeadersReply>& elected) {
        timed->complete(elected ? answer(elected->partitions) : all_fail(asked, elected.error()));
      });
}

}  // namespace

void run_elect_leaders(RawRequest request) { run_typed<&handle_elect_leaders>(std::move(request)); }

}  // namespace millrace::server::handlers
