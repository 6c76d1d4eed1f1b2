#include "broker/metadata/cluster_report.h"

#include "broker/metadata/controller_state.h"

namespace millrace::metadata {
namespace {

std::optional<std::chrono::milliseconds> heard_ago(const ControllerState& state, BrokerId id, machine::Now now) {
  const Liveness::Contact* contact = state.liveness.find(id);
  if (contact == nullptr || contact->heard == TimePoint{}) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::milliseconds>(now.monotonic - contact->heard);
}

}  // namespace

ClusterReport report_of(const ControllerState& state, machine::Now now, const QuorumView& quorum) {
  const ClusterImage& image = state.image();
  ClusterReport report{.cluster_id = image.cluster_id,
                       .controller = image.controller,
                       .applied = image.applied,
                       .now_ms = now.wall_ms,
                       .topics = static_cast<int32_t>(image.topics().size()),
                       .partitions = state.index.partitions(),
                       .leaderless = static_cast<int32_t>(state.index.leaderless().size()),
                       .brokers = {},
                       .voters = quorum.voters};
  for (const auto& [id, broker] : image.brokers) {
    BrokerReport& each = report.brokers.emplace_back();
    each = {.id = id,
            .epoch = broker.epoch,
            .directory_id = broker.directory_id,
            .fenced = broker.fenced,
            .shutting_down = broker.in_controlled_shutdown,
            .state_since_ms = broker.state_since_ms,
            .heard_ago = heard_ago(state, id, now),
            .rack = broker.rack,
            .listeners = broker.listeners,
            .rpc = broker.rpc,
            .counts = state.index.counts(id),
            .permit = {},
            .decommission = {}};
    const auto permit = image.permits.find(id);
    if (permit != image.permits.end() && permit->second.expires_ms > now.wall_ms) each.permit = permit->second;
    if (broker.decommissioned()) each.decommission = decommission_progress(state, id, now.monotonic);
  }
  return report;
}

}  // namespace millrace::metadata
