#include "broker/rpc/admin_codec.h"

#include <limits>

#include "broker/rpc/wire/admin.pb.h"

namespace millrace::rpc {
namespace {

using control::ControllerCall;
using std::chrono::milliseconds;

constexpr int64_t kNoDuration = -1;

void fill(v1::PartitionName& to, const metadata::PartitionName& from) {
  to.set_topic(from.topic);
  to.set_partition(from.partition.value());
}
metadata::PartitionName read(const v1::PartitionName& from) { return {from.topic(), PartitionIndex{from.partition()}}; }

void fill(v1::Address& to, const std::string& host, uint16_t port) {
  to.set_host(host);
  to.set_port(port);
}
Result<uint16_t> port_of(const v1::Address& from) {
  if (from.port() > std::numeric_limits<uint16_t>::max()) return Error{Errc::malformed, "a port is out of range"};
  return static_cast<uint16_t>(from.port());
}

int64_t to_wire(const std::optional<milliseconds>& from) { return from ? from->count() : kNoDuration; }
std::optional<milliseconds> read_duration(int64_t from) {
  return from < 0 ? std::nullopt : std::optional(milliseconds(from));
}

std::string directory_to_wire(const Uuid& from) { return from.is_zero() ? std::string() : from.to_string(); }
Result<Uuid> read_directory(const std::string& from) { return from.empty() ? Result<Uuid>(Uuid{}) : Uuid::parse(from); }

// Protobuf's names of the rules have the numbers that are for ever.
v1::StopRefusal::Rule to_wire(metadata::StopRule rule) {
  switch (rule) {
    case metadata::StopRule::other_permit:
      return v1::StopRefusal::OTHER_PERMIT;
    case metadata::StopRule::min_insync:
      return v1::StopRefusal::MIN_INSYNC;
    case metadata::StopRule::no_other_leader:
      return v1::StopRefusal::NO_OTHER_LEADER;
    case metadata::StopRule::quorum_majority:
      return v1::StopRefusal::QUORUM_MAJORITY;
  }
  return v1::StopRefusal::UNKNOWN;
}
Result<metadata::StopRule> read(v1::StopRefusal::Rule rule) {
  switch (rule) {
    case v1::StopRefusal::OTHER_PERMIT:
      return metadata::StopRule::other_permit;
    case v1::StopRefusal::MIN_INSYNC:
      return metadata::StopRule::min_insync;
    case v1::StopRefusal::NO_OTHER_LEADER:
      return metadata::StopRule::no_other_leader;
    case v1::StopRefusal::QUORUM_MAJORITY:
      return metadata::StopRule::quorum_majority;
    default:
      return Error{Errc::malformed, "a stop is refused by a rule that this broker does not know"};
  }
}

v1::QuorumSelf::Role to_wire(QuorumSelf::Role role) {
  switch (role) {
    case QuorumSelf::Role::candidate:
      return v1::QuorumSelf::CANDIDATE;
    case QuorumSelf::Role::leader:
      return v1::QuorumSelf::LEADER;
    case QuorumSelf::Role::follower:
      break;
  }
  return v1::QuorumSelf::FOLLOWER;
}

Status check_holder(const std::string& holder) {
  if (holder.size() <= kHolderBytesMax) return ok();
  return Error{Errc::invalid_argument, "a permit's holder has at most " + std::to_string(kHolderBytesMax) + " bytes"};
}

// ---- parts of a report

void fill(v1::BrokerReport& to, const metadata::BrokerReport& from) {
  to.set_id(from.id.value());
  to.set_epoch(from.epoch);
  to.set_directory_id(directory_to_wire(from.directory_id));
  to.set_fenced(from.fenced);
  to.set_shutting_down(from.shutting_down);
  to.set_state_since_ms(from.state_since_ms);
  to.set_heard_ago_ms(to_wire(from.heard_ago));
  to.set_rack(from.rack);
  for (const metadata::ListenerEndpoint& listener : from.listeners) {
    v1::Listener& item = *to.add_listeners();
    item.set_name(listener.listener);
    fill(*item.mutable_at(), listener.host, listener.port);
  }
  fill(*to.mutable_rpc(), from.rpc.host, from.rpc.port);
  to.set_leaders(from.counts.leaders);
  to.set_replicas(from.counts.replicas);
  to.set_in_sync(from.counts.in_sync);
  if (from.permit) {
    v1::StopPermit& permit = *to.mutable_permit();
    permit.set_holder(from.permit->holder);
    permit.set_granted_ms(from.permit->granted_ms);
    permit.set_expires_ms(from.permit->expires_ms);
  }
  if (from.decommission) {
    v1::DecommissionProgress& progress = *to.mutable_decommission();
    progress.set_since_ms(from.decommission->since_ms);
    progress.set_moves_max(from.decommission->moves_max);
    progress.set_left(from.decommission->partitions_left);
    progress.set_moving(from.decommission->moving);
    progress.set_stuck(from.decommission->stuck);
    if (from.decommission->first_stuck) fill(*progress.mutable_first_stuck(), *from.decommission->first_stuck);
    progress.set_left_ms(to_wire(from.decommission->remaining));
  }
}

metadata::DecommissionProgress read(const v1::DecommissionProgress& from) {
  metadata::DecommissionProgress to{.since_ms = from.since_ms(),
                                    .moves_max = from.moves_max(),
                                    .partitions_left = from.left(),
                                    .moving = from.moving(),
                                    .stuck = from.stuck(),
                                    .first_stuck = {},
                                    .remaining = read_duration(from.left_ms())};
  if (from.has_first_stuck()) to.first_stuck = read(from.first_stuck());
  return to;
}

Result<metadata::BrokerReport> read(const v1::BrokerReport& from) {
  metadata::BrokerReport to;
  to.id = BrokerId{from.id()};
  to.epoch = from.epoch();
  TRY_ASSIGN(to.directory_id, read_directory(from.directory_id()));
  to.fenced = from.fenced();
  to.shutting_down = from.shutting_down();
  to.state_since_ms = from.state_since_ms();
  to.heard_ago = read_duration(from.heard_ago_ms());
  to.rack = from.rack();
  for (const v1::Listener& listener : from.listeners()) {
    TRY_ASSIGN(const uint16_t port, port_of(listener.at()));
    to.listeners.push_back({.listener = listener.name(), .host = listener.at().host(), .port = port});
  }
  to.rpc.host = from.rpc().host();
  TRY_ASSIGN(to.rpc.port, port_of(from.rpc()));
  to.counts = {.replicas = from.replicas(), .leaders = from.leaders(), .in_sync = from.in_sync()};
  if (from.has_permit()) {
    to.permit = metadata::StopPermit{.holder = from.permit().holder(),
                                     .granted_ms = from.permit().granted_ms(),
                                     .expires_ms = from.permit().expires_ms()};
  }
  if (from.has_decommission()) to.decommission = read(from.decommission());
  return to;
}

}  // namespace

// ---- requests

void encode(const metadata::MayStop& from, v1::MayStopRequest& to) {
  to.set_node(from.node.value());
  to.set_holder(from.holder);
  to.set_ttl_ms(from.ttl.count());
  to.set_accept_single_replicas(from.accept_single_replicas);
}
Result<ControllerCall> decode(const v1::MayStopRequest& from) {
  TRY(check_holder(from.holder()));
  return ControllerCall(metadata::MayStop{.node = BrokerId{from.node()},
                                          .holder = from.holder(),
                                          .ttl = milliseconds(from.ttl_ms()),
                                          .accept_single_replicas = from.accept_single_replicas()});
}

void encode(const metadata::ReleasePermit& from, v1::ReleasePermitRequest& to) {
  to.set_node(from.node.value());
  to.set_holder(from.holder);
}
Result<ControllerCall> decode(const v1::ReleasePermitRequest& from) {
  TRY(check_holder(from.holder()));
  return ControllerCall(metadata::ReleasePermit{.node = BrokerId{from.node()}, .holder = from.holder()});
}

void encode(const metadata::DrainLeadership& from, v1::DrainLeadershipRequest& to) { to.set_node(from.node.value()); }
Result<ControllerCall> decode(const v1::DrainLeadershipRequest& from) {
  return ControllerCall(metadata::DrainLeadership{BrokerId{from.node()}});
}

void encode(const metadata::Decommission& from, v1::DecommissionRequest& to) {
  to.set_node(from.node.value());
  to.set_moves_max(from.moves_max);
}
Result<ControllerCall> decode(const v1::DecommissionRequest& from) {
  return ControllerCall(metadata::Decommission{
      .node = BrokerId{from.node()},
      .moves_max = from.moves_max() == 0 ? metadata::kDecommissionMovesDefault : from.moves_max()});
}

void encode(const metadata::CancelDecommission& from, v1::CancelDecommissionRequest& to) {
  to.set_node(from.node.value());
}
Result<ControllerCall> decode(const v1::CancelDecommissionRequest& from) {
  return ControllerCall(metadata::CancelDecommission{BrokerId{from.node()}});
}

void encode(const metadata::Rebalance& from, v1::RebalanceRequest& to) { to.set_moves_max(from.moves_max); }
Result<ControllerCall> decode(const v1::RebalanceRequest& from) {
  return ControllerCall(
      metadata::Rebalance{from.moves_max() == 0 ? metadata::kRebalanceMovesDefault : from.moves_max()});
}

void encode(const control::PlanMoves& from, v1::PlanMovesRequest& to) {
  if (from.decommission) {
    to.set_decommission(from.decommission->value());
  } else {
    to.set_rebalance(true);
  }
}
Result<ControllerCall> decode(const v1::PlanMovesRequest& from) {
  switch (from.what_case()) {
    case v1::PlanMovesRequest::kDecommission:
      return ControllerCall(control::PlanMoves{BrokerId{from.decommission()}});
    case v1::PlanMovesRequest::kRebalance:
      return ControllerCall(control::PlanMoves{});
    case v1::PlanMovesRequest::WHAT_NOT_SET:
      break;
  }
  return Error{Errc::malformed, "a plan of what: of a decommission or of a rebalance"};
}

void encode(const metadata::UnregisterBroker& from, v1::UnregisterRequest& to) { to.set_node(from.id.value()); }
Result<ControllerCall> decode(const v1::UnregisterRequest& from) {
  return ControllerCall(metadata::UnregisterBroker{BrokerId{from.node()}});
}

Result<ControllerCall> decode(const v1::DescribeClusterRequest&) { return ControllerCall(control::DescribeCluster{}); }

// ---- replies

void encode(const metadata::MayStopReply& from, v1::MayStopReply& to) {
  to.set_granted(from.refusals.empty());
  to.set_expires_ms(from.expires_ms);
  for (const metadata::StopRefusal& refusal : from.refusals) {
    v1::StopRefusal& item = *to.add_refusals();
    item.set_rule(to_wire(refusal.rule));
    if (refusal.partition) fill(*item.mutable_partition(), *refusal.partition);
    item.set_since_ms(refusal.since_ms);
    item.set_words(refusal.words);
  }
  to.set_refusals_total(from.refusals_total);
}
Result<metadata::MayStopReply> decode(const v1::MayStopReply& from) {
  metadata::MayStopReply to{.refusals = {}, .refusals_total = from.refusals_total(), .expires_ms = from.expires_ms()};
  for (const v1::StopRefusal& item : from.refusals()) {
    metadata::StopRefusal& refusal = to.refusals.emplace_back();
    TRY_ASSIGN(refusal.rule, read(item.rule()));
    if (item.has_partition()) refusal.partition = read(item.partition());
    refusal.since_ms = item.since_ms();
    refusal.words = item.words();
  }
  // What is granted is said twice: a broker that took one for the other would be stopped without a permit.
  if (from.granted() != to.refusals.empty()) return Error{Errc::malformed, "an answer that both grants and refuses"};
  return to;
}

void encode(const metadata::DrainLeadershipReply& from, v1::DrainLeadershipReply& to) {
  to.set_moved(from.moved);
  to.set_left(from.left);
  for (const metadata::PartitionName& name : from.first_left) fill(*to.add_first_left(), name);
  to.set_more(from.more);
}
metadata::DrainLeadershipReply decode(const v1::DrainLeadershipReply& from) {
  metadata::DrainLeadershipReply to{.moved = from.moved(), .left = from.left(), .first_left = {}, .more = from.more()};
  for (const v1::PartitionName& name : from.first_left()) to.first_left.push_back(read(name));
  return to;
}

void encode(const metadata::MovePlan& from, v1::MovesReply& to) {
  for (const metadata::PlannedMove& move : from.moves) {
    v1::MovesReply::Move& item = *to.add_moves();
    fill(*item.mutable_partition(), move.partition);
    for (const BrokerId id : move.before) item.add_before(id.value());
    for (const BrokerId id : move.after) item.add_after(id.value());
  }
  to.set_moves_total(static_cast<int32_t>(from.moves.size()));
  to.set_moving(from.moving);
  to.set_left(from.left);
  to.set_stuck(from.stuck);
}
metadata::MovePlan decode(const v1::MovesReply& from) {
  metadata::MovePlan to{.moves = {}, .moving = from.moving(), .left = from.left(), .stuck = from.stuck()};
  for (const v1::MovesReply::Move& item : from.moves()) {
    metadata::PlannedMove& move = to.moves.emplace_back();
    move.partition = read(item.partition());
    for (const int32_t id : item.before()) move.before.emplace_back(id);
    for (const int32_t id : item.after()) move.after.emplace_back(id);
  }
  return to;
}

void encode(const metadata::ClusterReport& from, v1::ClusterReport& to) {
  to.set_cluster_id(from.cluster_id);
  to.set_controller(from.controller.value());
  to.set_metadata_offset(from.applied.value());
  to.set_now_ms(from.now_ms);
  to.set_topics(from.topics);
  to.set_partitions(from.partitions);
  to.set_leaderless(from.leaderless);
  for (const metadata::BrokerReport& broker : from.brokers) fill(*to.add_brokers(), broker);
  for (const metadata::QuorumView::Voter& voter : from.voters) {
    v1::VoterReport& item = *to.add_voters();
    item.set_id(voter.id.value());
    item.set_live(voter.live);
  }
}
Result<metadata::ClusterReport> decode(const v1::ClusterReport& from) {
  metadata::ClusterReport to{.cluster_id = from.cluster_id(),
                             .controller = BrokerId{from.controller()},
                             .applied = Offset{from.metadata_offset()},
                             .now_ms = from.now_ms(),
                             .topics = from.topics(),
                             .partitions = from.partitions(),
                             .leaderless = from.leaderless(),
                             .brokers = {},
                             .voters = {}};
  for (const v1::BrokerReport& item : from.brokers()) {
    TRY_ASSIGN(metadata::BrokerReport broker, read(item));
    to.brokers.push_back(std::move(broker));
  }
  for (const v1::VoterReport& item : from.voters()) to.voters.push_back({BrokerId{item.id()}, item.live()});
  return to;
}

void encode(const BrokerSelf& from, v1::BrokerSelf& to) {
  to.set_id(from.id.value());
  to.set_cluster_id(from.cluster_id);
  to.set_version(from.version);
  to.set_waits_for(from.waits_for);
  to.set_fenced(from.fenced);
  to.set_isolated(from.isolated);
  to.set_isolated_since_ms(from.isolated_since_ms);
  v1::QuorumSelf& quorum = *to.mutable_quorum();
  quorum.set_role(to_wire(from.quorum.role));
  quorum.set_leader(from.quorum.leader.value());
  quorum.set_term(from.quorum.term);
  quorum.set_committed(from.quorum.committed);
  quorum.set_last(from.quorum.last);
  for (const metadata::VoterImage& voter : from.quorum.voters) {
    v1::QuorumVoter& item = *quorum.add_voters();
    item.set_id(voter.id.value());
    item.set_directory_id(directory_to_wire(voter.directory_id));
    if (!voter.rpc.host.empty()) fill(*item.mutable_rpc(), voter.rpc.host, voter.rpc.port);
  }
  to.set_log_bytes(from.log_bytes);
  to.set_now_ms(from.now_ms);
}

}  // namespace millrace::rpc
