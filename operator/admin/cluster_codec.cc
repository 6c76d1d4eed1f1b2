#include "operator/admin/cluster_codec.h"

#include "broker/rpc/wire/admin.pb.h"

namespace millrace::admin {
namespace {

namespace v1 = rpc::v1;
using std::chrono::milliseconds;

Address read(const v1::Address& from) { return {from.host(), static_cast<uint16_t>(from.port())}; }
PartitionName read(const v1::PartitionName& from) { return {from.topic(), from.partition()}; }
std::optional<milliseconds> read_duration(int64_t from) {
  return from < 0 ? std::nullopt : std::optional(milliseconds(from));
}

StopRefusal::Rule read(v1::StopRefusal::Rule rule) {
  switch (rule) {
    case v1::StopRefusal::OTHER_PERMIT:
      return StopRefusal::Rule::other_permit;
    case v1::StopRefusal::MIN_INSYNC:
      return StopRefusal::Rule::min_insync;
    case v1::StopRefusal::NO_OTHER_LEADER:
      return StopRefusal::Rule::no_other_leader;
    case v1::StopRefusal::QUORUM_MAJORITY:
      return StopRefusal::Rule::quorum_majority;
    default:
      return StopRefusal::Rule::unknown;
  }
}

QuorumSelf::Role read(v1::QuorumSelf::Role role) {
  switch (role) {
    case v1::QuorumSelf::LEADER:
      return QuorumSelf::Role::leader;
    case v1::QuorumSelf::CANDIDATE:
      return QuorumSelf::Role::candidate;
    default:
      return QuorumSelf::Role::follower;
  }
}

Decommission read(const v1::DecommissionProgress& from) {
  Decommission to{.since_ms = from.since_ms(),
                  .moves_max = from.moves_max(),
                  .left = from.left(),
                  .moving = from.moving(),
                  .stuck = from.stuck(),
                  .first_stuck = {},
                  .remaining = read_duration(from.left_ms())};
  if (from.has_first_stuck()) to.first_stuck = read(from.first_stuck());
  return to;
}

BrokerState read(const v1::BrokerReport& from) {
  BrokerState to{.id = BrokerId{from.id()},
                 .epoch = from.epoch(),
                 .fenced = from.fenced(),
                 .shutting_down = from.shutting_down(),
                 .state_since_ms = from.state_since_ms(),
                 .heard_ago = read_duration(from.heard_ago_ms()),
                 .rack = from.rack(),
                 .directory_id = from.directory_id(),
                 .listeners = {},
                 .rpc = read(from.rpc()),
                 .leaders = from.leaders(),
                 .replicas = from.replicas(),
                 .in_sync = from.in_sync(),
                 .permit = {},
                 .decommission = {}};
  for (const v1::Listener& listener : from.listeners()) to.listeners.push_back({listener.name(), read(listener.at())});
  if (from.has_permit()) {
    to.permit = StopPermit{.holder = from.permit().holder(),
                           .granted_ms = from.permit().granted_ms(),
                           .expires_ms = from.permit().expires_ms()};
  }
  if (from.has_decommission()) to.decommission = read(from.decommission());
  return to;
}

}  // namespace

void encode(const StopQuestion& from, v1::MayStopRequest& to) {
  to.set_node(from.node.value());
  to.set_holder(from.holder);
  to.set_ttl_ms(from.ttl.count());
  to.set_accept_single_replicas(from.accept_single_replicas);
}

StopAnswer decode(const v1::MayStopReply& from) {
  StopAnswer to{.granted = from.granted(),
                .expires_ms = from.expires_ms(),
                .refusals = {},
                .refusals_total = from.refusals_total()};
  for (const v1::StopRefusal& item : from.refusals()) {
    StopRefusal& refusal = to.refusals.emplace_back();
    refusal.rule = read(item.rule());
    if (item.has_partition()) refusal.partition = read(item.partition());
    refusal.since_ms = item.since_ms();
    refusal.words = item.words();
  }
  return to;
}

Drained decode(const v1::DrainLeadershipReply& from) {
  Drained to{.moved = from.moved(), .left = from.left(), .first_left = {}, .more = from.more()};
  for (const v1::PartitionName& name : from.first_left()) to.first_left.push_back(read(name));
  return to;
}

Moves decode(const v1::MovesReply& from) {
  Moves to{
      .moves = {}, .total = from.moves_total(), .moving = from.moving(), .left = from.left(), .stuck = from.stuck()};
  for (const v1::MovesReply::Move& item : from.moves()) {
    Move& move = to.moves.emplace_back();
    move.partition = read(item.partition());
    for (const int32_t id : item.before()) move.before.emplace_back(id);
    for (const int32_t id : item.after()) move.after.emplace_back(id);
  }
  return to;
}

ClusterState decode(const v1::ClusterReport& from) {
  ClusterState to{.cluster_id = from.cluster_id(),
                  .controller = BrokerId{from.controller()},
                  .no_controller = from.no_controller(),
                  .metadata_offset = from.metadata_offset(),
                  .now_ms = from.now_ms(),
                  .topics = from.topics(),
                  .partitions = from.partitions(),
                  .leaderless = from.leaderless(),
                  .brokers = {},
                  .voters = {}};
  for (const v1::BrokerReport& broker : from.brokers()) to.brokers.push_back(read(broker));
  for (const v1::VoterReport& voter : from.voters()) to.voters.push_back({BrokerId{voter.id()}, voter.live()});
  return to;
}

BrokerSelf decode(const v1::BrokerSelf& from) {
  BrokerSelf to{.id = BrokerId{from.id()},
                .cluster_id = from.cluster_id(),
                .version = from.version(),
                .waits_for = from.waits_for(),
                .fenced = from.fenced(),
                .isolated = from.isolated(),
                .isolated_since_ms = from.isolated_since_ms(),
                .quorum = {.role = read(from.quorum().role()),
                           .leader = BrokerId{from.quorum().leader()},
                           .term = from.quorum().term(),
                           .committed = from.quorum().committed(),
                           .last = from.quorum().last(),
                           .voters = {}},
                .log_bytes = from.log_bytes(),
                .now_ms = from.now_ms()};
  for (const v1::QuorumVoter& item : from.quorum().voters()) {
    QuorumVoter& voter = to.quorum.voters.emplace_back();
    voter.id = BrokerId{item.id()};
    voter.directory_id = item.directory_id();
    if (item.has_rpc()) voter.rpc = read(item.rpc());
  }
  return to;
}

}  // namespace millrace::admin
