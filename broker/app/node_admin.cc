#include <utility>

#include "broker/app/node_state.h"

namespace millrace::app {
namespace {

rpc::QuorumSelf::Role role_of(raft::Role role) {
  switch (role) {
    case raft::Role::leader:
      return rpc::QuorumSelf::Role::leader;
    case raft::Role::pre_candidate:
    case raft::Role::candidate:
      return rpc::QuorumSelf::Role::candidate;
    case raft::Role::follower:
      break;
  }
  return rpc::QuorumSelf::Role::follower;
}

rpc::QuorumSelf quorum_self(const raft::NodeStatus& status, const control::QuorumContacts& contacts) {
  rpc::QuorumSelf self{.role = role_of(status.state.role),
                       .leader = status.state.leader ? status.state.leader->node : kNoBroker,
                       .term = static_cast<int64_t>(status.state.term.value()),
                       .committed = static_cast<int64_t>(status.commit.value()),
                       .last = static_cast<int64_t>(status.last.value()),
                       .voters = {}};
  for (const raft::Member& member : status.configuration.voters) {
    metadata::VoterImage& voter = self.voters.emplace_back();
    voter.id = member.node;
    voter.directory_id = member.directory;
    if (const auto at = contacts.address_of(member.node)) voter.rpc = {at->host, at->port};
  }
  return self;
}

}  // namespace

rpc::BrokerSelf Node::State::self() const {
  rpc::BrokerSelf known{.id = config.id,
                        .cluster_id = identity.cluster_id,
                        .version = kBuildVersion,
                        .waits_for = not_ready(),
                        .fenced = is_fenced.load(std::memory_order_relaxed),
                        .isolated = is_isolated.load(std::memory_order_relaxed),
                        .isolated_since_ms = isolated_since_ms.load(std::memory_order_relaxed),
                        .quorum = quorum_self(quorum->node().status(), *contacts),
                        .log_bytes = 0,
                        .now_ms = clock.wall_ms()};
  if (is_serving.load(std::memory_order_acquire)) {
    for (const auto& partition : partitions->all()) known.log_bytes += partition->size_bytes();
  }
  return known;
}

metadata::ClusterReport Node::State::last_seen() const {
  const metadata::ImagePointer image = images.load();
  std::shared_ptr<const metadata::ControllerState> state;
  {
    MutexLock lock(seen_mutex);
    if (seen_image != image) {
      seen_state = std::make_shared<const metadata::ControllerState>(metadata::ImageBuilder(image), clock.now());
      seen_image = image;
    }
    state = seen_state;
  }
  metadata::ClusterReport report = report_of(*state, {.monotonic = clock.now(), .wall_ms = clock.wall_ms()}, {});
  report.cluster_id = identity.cluster_id;  // also while nothing is known
  report.controller = quorum->leader();
  return report;
}

void Node::State::ask(control::ControllerCall call, Duration timeout, control::ControllerDone done) {
  controller_client->call(std::move(call), timeout, std::move(done));
}

}  // namespace millrace::app
