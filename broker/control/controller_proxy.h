#pragma once

#include "broker/control/controller_client.h"
#include "broker/control/controller_host.h"
#include "broker/metadata/controller.h"

namespace millrace::control {

inline constexpr std::chrono::seconds kProxyTimeout{30};  // of calls that go to another broker

// metadata::Controller as every broker offers it to its handlers. While the controller is here, everything goes to it.
// While it is elsewhere, what handlers need to serve a client of this broker goes there: automatic creation of topics,
// __consumer_offsets, producer ids. Everything else is answered not_controller: requests for the controller were
// forwarded before their handler ran (server::ControllerRoute), so a handler that asks has lost its controller on the
// way. Thread-safe.
class ControllerProxy final : public metadata::Controller {
 public:
  ControllerProxy(ControllerHost& host, ControllerClient& client) : host_(host), client_(client) {}

  void create_topics(metadata::CreateTopics command, Done<metadata::CreateTopicsReply> done) override;
  void delete_topics(metadata::DeleteTopics command, Done<metadata::DeleteTopicsReply> done) override;
  void create_partitions(metadata::CreatePartitions command, Done<metadata::CreatePartitionsReply> done) override;
  void alter_configs(metadata::AlterConfigs command, Done<metadata::AlterConfigsReply> done) override;
  void register_broker(metadata::RegisterBroker command, Done<metadata::RegisterBrokerReply> done) override;
  void set_fenced(metadata::SetFenced command, Done<Unit> done) override;
  void unregister_broker(metadata::UnregisterBroker command, Done<Unit> done) override;
  void broker_heartbeat(metadata::BrokerHeartbeat command, Done<metadata::BrokerHeartbeatReply> done) override;
  void alter_partition(metadata::AlterPartition command, Done<metadata::AlterPartitionReply> done) override;
  void elect_leaders(metadata::ElectLeaders command, Done<metadata::ElectLeadersReply> done) override;
  void alter_reassignments(metadata::AlterReassignments command, Done<metadata::AlterReassignmentsReply> done) override;
  void update_features(metadata::UpdateFeatures command, Done<metadata::UpdateFeaturesReply> done) override;
  void may_stop(metadata::MayStop command, Done<metadata::MayStopReply> done) override;
  void release_permit(metadata::ReleasePermit command, Done<Unit> done) override;
  void decommission(metadata::Decommission command, Done<Unit> done) override;
  void cancel_decommission(metadata::CancelDecommission command, Done<Unit> done) override;
  void decommission_progress(BrokerId node, Done<metadata::DecommissionProgress> done) override;
  void allocate_producer_ids(metadata::AllocateProducerIds command, Done<metadata::ProducerIdBlock> done) override;
  void ensure_offsets_topic(Done<int32_t> done) override;

 private:
  template <class Method, class Command, class Reply>
  void here(Method method, Command command, Done<Reply> done);

  ControllerHost& host_;
  ControllerClient& client_;
};

}  // namespace millrace::control
