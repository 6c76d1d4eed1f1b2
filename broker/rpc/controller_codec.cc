#include "broker/rpc/controller_codec.h"

#include "broker/rpc/admin_codec.h"
#include "broker/rpc/controller.pb.h"
#include "broker/rpc/wire/wire_values.h"

namespace millrace::rpc {
namespace {

using control::ControllerAnswer;
using control::ControllerCall;

// ---- calls

void fill(v1::ControllerCall& call, const metadata::RegisterBroker& from) {
  auto& to = *call.mutable_register_broker();
  to.set_id(from.id.value());
  to.set_incarnation(to_wire(from.incarnation));
  to.set_directory_id(to_wire(from.directory_id));
  to.set_cluster_id(from.cluster_id);
  for (const metadata::ListenerEndpoint& listener : from.listeners) {
    auto& item = *to.add_listeners();
    item.set_name(listener.listener);
    item.set_host(listener.host);
    item.set_port(listener.port);
  }
  to.set_rpc_host(from.rpc.host);
  to.set_rpc_port(from.rpc.port);
  to.set_rack(from.rack);
  for (const auto& [name, range] : from.features) {
    auto& item = *to.add_features();
    item.set_name(name);
    item.set_level_min(range.min);
    item.set_level_max(range.max);
  }
  to.set_clean_start(from.clean_start);
  to.set_previous_epoch(from.previous_epoch);
  to.set_fenced(from.fenced);
}
void fill(v1::ControllerCall& call, const metadata::BrokerHeartbeat& from) {
  auto& to = *call.mutable_broker_heartbeat();
  to.set_id(from.id.value());
  to.set_epoch(from.epoch);
  to.set_metadata_offset(from.metadata_offset.value());
  to.set_want_fence(from.want_fence);
  to.set_want_shutdown(from.want_shutdown);
}
void fill(v1::ControllerCall& call, const metadata::AlterPartition& from) {
  auto& to = *call.mutable_alter_partition();
  to.set_leader(from.leader.value());
  to.set_epoch(from.epoch);
  for (const metadata::AlterPartition::Item& partition : from.partitions) {
    auto& item = *to.add_partitions();
    item.set_topic_id(to_wire(partition.topic));
    item.set_partition(partition.partition.value());
    item.set_leader_epoch(partition.leader_epoch.value());
    item.set_partition_epoch(partition.partition_epoch);
    for (const metadata::AlterPartition::Member& member : partition.isr) {
      auto& broker = *item.add_isr();
      broker.set_id(member.id.value());
      broker.set_epoch(member.epoch);
    }
  }
}
void fill(v1::ControllerCall& call, const metadata::AllocateProducerIds& from) {
  call.mutable_allocate_producer_ids()->set_broker(from.broker.value());
}
void fill(v1::ControllerCall& call, const control::EnsureOffsetsTopic&) { call.mutable_ensure_offsets_topic(); }
void fill(v1::ControllerCall& call, const control::AutoCreateTopic& from) {
  call.mutable_auto_create_topic()->set_name(from.name);
}
void fill(v1::ControllerCall& call, const control::ForwardedRequest& from) {
  auto& to = *call.mutable_forwarded_request();
  to.set_frame(from.frame.data(), from.frame.size());
  to.set_client_host(from.client_host);
  to.set_listener(from.listener);
}
void fill(v1::ControllerCall& call, const metadata::MayStop& from) { encode(from, *call.mutable_may_stop()); }
void fill(v1::ControllerCall& call, const metadata::ReleasePermit& from) {
  encode(from, *call.mutable_release_permit());
}
void fill(v1::ControllerCall& call, const metadata::DrainLeadership& from) {
  encode(from, *call.mutable_drain_leadership());
}
void fill(v1::ControllerCall& call, const metadata::Decommission& from) { encode(from, *call.mutable_decommission()); }
void fill(v1::ControllerCall& call, const metadata::CancelDecommission& from) {
  encode(from, *call.mutable_cancel_decommission());
}
void fill(v1::ControllerCall& call, const metadata::Rebalance& from) { encode(from, *call.mutable_rebalance()); }
void fill(v1::ControllerCall& call, const control::PlanMoves& from) { encode(from, *call.mutable_plan_moves()); }
void fill(v1::ControllerCall& call, const metadata::UnregisterBroker& from) {
  encode(from, *call.mutable_unregister());
}
void fill(v1::ControllerCall& call, const control::DescribeCluster&) { call.mutable_describe_cluster(); }

template <class Int, class From>
Result<Int> narrowed(From value, const char* what) {
  if (value < static_cast<From>(std::numeric_limits<Int>::min()) ||
      value > static_cast<From>(std::numeric_limits<Int>::max())) {
    return Error{Errc::malformed, std::string(what) + " is out of range"};
  }
  return static_cast<Int>(value);
}

Result<ControllerCall> read(const v1::RegisterBroker& from) {
  metadata::RegisterBroker to;
  to.id = BrokerId{from.id()};
  TRY_ASSIGN(to.incarnation, uuid_from_wire(from.incarnation()));
  TRY_ASSIGN(to.directory_id, uuid_from_wire(from.directory_id()));
  to.cluster_id = from.cluster_id();
  for (const auto& listener : from.listeners()) {
    TRY_ASSIGN(const uint16_t port, narrowed<uint16_t>(listener.port(), "a port"));
    to.listeners.push_back({.listener = listener.name(), .host = listener.host(), .port = port});
  }
  to.rpc.host = from.rpc_host();
  TRY_ASSIGN(to.rpc.port, narrowed<uint16_t>(from.rpc_port(), "a port"));
  to.rack = from.rack();
  for (const auto& feature : from.features()) {
    TRY_ASSIGN(const int16_t level_min, narrowed<int16_t>(feature.level_min(), "a level"));
    TRY_ASSIGN(const int16_t level_max, narrowed<int16_t>(feature.level_max(), "a level"));
    to.features[feature.name()] = {.min = level_min, .max = level_max};
  }
  to.clean_start = from.clean_start();
  to.previous_epoch = from.previous_epoch();
  to.fenced = from.fenced();
  return ControllerCall(std::move(to));
}

Result<ControllerCall> read(const v1::BrokerHeartbeat& from) {
  return ControllerCall(metadata::BrokerHeartbeat{.id = BrokerId{from.id()},
                                                  .epoch = from.epoch(),
                                                  .metadata_offset = Offset{from.metadata_offset()},
                                                  .want_fence = from.want_fence(),
                                                  .want_shutdown = from.want_shutdown()});
}

Result<ControllerCall> read(const v1::AlterPartition& from) {
  metadata::AlterPartition to;
  to.leader = BrokerId{from.leader()};
  to.epoch = from.epoch();
  for (const auto& item : from.partitions()) {
    metadata::AlterPartition::Item partition;
    TRY_ASSIGN(partition.topic, uuid_from_wire(item.topic_id()));
    partition.partition = PartitionIndex{item.partition()};
    partition.leader_epoch = LeaderEpoch{item.leader_epoch()};
    partition.partition_epoch = item.partition_epoch();
    for (const auto& member : item.isr()) partition.isr.push_back({BrokerId{member.id()}, member.epoch()});
    to.partitions.push_back(std::move(partition));
  }
  return ControllerCall(std::move(to));
}

// ---- answers

void fill(v1::ControllerAnswer& answer, const metadata::RegisterBrokerReply& from) {
  answer.mutable_register_broker()->set_epoch(from.epoch);
}
void fill(v1::ControllerAnswer& answer, const metadata::BrokerHeartbeatReply& from) {
  auto& to = *answer.mutable_broker_heartbeat();
  to.set_is_caught_up(from.is_caught_up);
  to.set_is_fenced(from.is_fenced);
  to.set_should_shut_down(from.should_shut_down);
  to.set_left_without_leader(from.left_without_leader);
  for (const metadata::PartitionName& name : from.without_leader) {
    auto& item = *to.add_without_leader();
    item.set_topic(name.topic);
    item.set_partition(name.partition.value());
  }
}
void fill(v1::ControllerAnswer& answer, const metadata::AlterPartitionReply& from) {
  auto& to = *answer.mutable_alter_partition();
  for (const metadata::AlteredPartition& partition : from.partitions) {
    auto& item = *to.add_partitions();
    item.set_topic_id(to_wire(partition.topic));
    item.set_partition(partition.partition.value());
    if (!partition.outcome) error_to_wire(*item.mutable_error(), partition.outcome.error());
  }
}
void fill(v1::ControllerAnswer& answer, const metadata::ProducerIdBlock& from) {
  answer.mutable_allocate_producer_ids()->set_first(from.first.value());
  answer.mutable_allocate_producer_ids()->set_count(from.count);
}
void fill(v1::ControllerAnswer& answer, const control::OffsetsTopicReply& from) {
  answer.mutable_ensure_offsets_topic()->set_partitions(from.partitions);
}
void fill(v1::ControllerAnswer& answer, const Unit&) { answer.mutable_done(); }
void fill(v1::ControllerAnswer& answer, const control::ForwardedReply& from) {
  answer.mutable_forwarded_request()->set_frame(from.frame.data(), from.frame.size());
}
void fill(v1::ControllerAnswer& answer, const metadata::MayStopReply& from) {
  encode(from, *answer.mutable_may_stop());
}
void fill(v1::ControllerAnswer& answer, const control::WasSo& from) {
  answer.mutable_was_so()->set_was_so(from.was_so);
}
void fill(v1::ControllerAnswer& answer, const metadata::DrainLeadershipReply& from) {
  encode(from, *answer.mutable_drain_leadership());
}
void fill(v1::ControllerAnswer& answer, const metadata::MovePlan& from) { encode(from, *answer.mutable_moves()); }
void fill(v1::ControllerAnswer& answer, const metadata::ClusterReport& from) {
  encode(from, *answer.mutable_cluster());
}

template <class Value>
Result<ControllerAnswer> as_answer(Result<Value> from) {
  if (!from) return std::move(from).error();
  return ControllerAnswer(std::move(*from));
}

ControllerAnswer read(const v1::BrokerHeartbeatReply& from) {
  metadata::BrokerHeartbeatReply to{.is_caught_up = from.is_caught_up(),
                                    .is_fenced = from.is_fenced(),
                                    .should_shut_down = from.should_shut_down(),
                                    .left_without_leader = from.left_without_leader(),
                                    .without_leader = {}};
  for (const auto& item : from.without_leader()) {
    to.without_leader.push_back({item.topic(), PartitionIndex{item.partition()}});
  }
  return to;
}

Result<ControllerAnswer> read(const v1::AlterPartitionReply& from) {
  metadata::AlterPartitionReply to;
  for (const auto& item : from.partitions()) {
    metadata::AlteredPartition partition;
    TRY_ASSIGN(partition.topic, uuid_from_wire(item.topic_id()));
    partition.partition = PartitionIndex{item.partition()};
    if (item.has_error()) partition.outcome = error_from_wire(item.error());
    to.partitions.push_back(std::move(partition));
  }
  return ControllerAnswer(std::move(to));
}

}  // namespace

void encode(const ControllerCall& from, v1::ControllerCall& to) {
  std::visit([&](const auto& call) { fill(to, call); }, from);
}

Result<ControllerCall> decode(const v1::ControllerCall& from) {
  switch (from.body_case()) {
    case v1::ControllerCall::kRegisterBroker:
      return read(from.register_broker());
    case v1::ControllerCall::kBrokerHeartbeat:
      return read(from.broker_heartbeat());
    case v1::ControllerCall::kAlterPartition:
      return read(from.alter_partition());
    case v1::ControllerCall::kAllocateProducerIds:
      return ControllerCall(metadata::AllocateProducerIds{BrokerId{from.allocate_producer_ids().broker()}});
    case v1::ControllerCall::kEnsureOffsetsTopic:
      return ControllerCall(control::EnsureOffsetsTopic{});
    case v1::ControllerCall::kAutoCreateTopic:
      return ControllerCall(control::AutoCreateTopic{from.auto_create_topic().name()});
    case v1::ControllerCall::kForwardedRequest:
      return ControllerCall(control::ForwardedRequest{.frame = Bytes::copy_of(from.forwarded_request().frame()),
                                                      .client_host = from.forwarded_request().client_host(),
                                                      .listener = from.forwarded_request().listener()});
    case v1::ControllerCall::kMayStop:
      return decode(from.may_stop());
    case v1::ControllerCall::kReleasePermit:
      return decode(from.release_permit());
    case v1::ControllerCall::kDrainLeadership:
      return decode(from.drain_leadership());
    case v1::ControllerCall::kDecommission:
      return decode(from.decommission());
    case v1::ControllerCall::kCancelDecommission:
      return decode(from.cancel_decommission());
    case v1::ControllerCall::kRebalance:
      return decode(from.rebalance());
    case v1::ControllerCall::kPlanMoves:
      return decode(from.plan_moves());
    case v1::ControllerCall::kUnregister:
      return decode(from.unregister());
    case v1::ControllerCall::kDescribeCluster:
      return ControllerCall(control::DescribeCluster{});
    case v1::ControllerCall::BODY_NOT_SET:
      break;
  }
  return Error{Errc::malformed, "a call that this broker does not know"};
}

void encode(const Result<ControllerAnswer>& from, v1::ControllerAnswer& to) {
  if (from) {
    std::visit([&](const auto& answer) { fill(to, answer); }, *from);
  } else {
    error_to_wire(*to.mutable_error(), from.error());
  }
}

Result<ControllerAnswer> decode(const v1::ControllerAnswer& from) {
  switch (from.body_case()) {
    case v1::ControllerAnswer::kError:
      return error_from_wire(from.error());
    case v1::ControllerAnswer::kRegisterBroker:
      return ControllerAnswer(metadata::RegisterBrokerReply{from.register_broker().epoch()});
    case v1::ControllerAnswer::kBrokerHeartbeat:
      return read(from.broker_heartbeat());
    case v1::ControllerAnswer::kAlterPartition:
      return read(from.alter_partition());
    case v1::ControllerAnswer::kAllocateProducerIds:
      return ControllerAnswer(metadata::ProducerIdBlock{ProducerId{from.allocate_producer_ids().first()},
                                                        from.allocate_producer_ids().count()});
    case v1::ControllerAnswer::kEnsureOffsetsTopic:
      return ControllerAnswer(control::OffsetsTopicReply{from.ensure_offsets_topic().partitions()});
    case v1::ControllerAnswer::kDone:
      return ControllerAnswer(Unit{});
    case v1::ControllerAnswer::kForwardedRequest:
      return ControllerAnswer(control::ForwardedReply{Bytes::copy_of(from.forwarded_request().frame())});
    case v1::ControllerAnswer::kMayStop:
      return as_answer(decode(from.may_stop()));
    case v1::ControllerAnswer::kWasSo:
      return ControllerAnswer(control::WasSo{from.was_so().was_so()});
    case v1::ControllerAnswer::kDrainLeadership:
      return ControllerAnswer(decode(from.drain_leadership()));
    case v1::ControllerAnswer::kMoves:
      return ControllerAnswer(decode(from.moves()));
    case v1::ControllerAnswer::kCluster:
      return as_answer(decode(from.cluster()));
    case v1::ControllerAnswer::BODY_NOT_SET:
      break;
  }
  return Error{Errc::malformed, "an answer that this broker does not know"};
}

}  // namespace millrace::rpc
