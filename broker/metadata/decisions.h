#pragma once

#include <functional>

#include "broker/machine/decision.h"
#include "broker/metadata/commands.h"
#include "broker/metadata/records.h"
#include "broker/metadata/topic_config.h"

namespace millrace::metadata {

struct ControllerState;

// The metadata quorum as its leader sees it; without voters there is nothing to keep.
struct QuorumView {
  struct Voter {
    BrokerId id;
    bool live = false;  // the leader itself, or heard from lately and caught up
  };
  std::vector<Voter> voters;
};

// What decisions rest on beside the state.
struct DecisionContext {
  BrokerConfigView config;         // defaults: num.partitions and the like
  std::function<Uuid()> new_uuid;  // for new topics; lands in the records, so replay needs none
  machine::Now now;
  std::function<QuorumView()> quorum;  // asked by few decisions; empty: there is none
};
inline QuorumView quorum_of(const DecisionContext& context) { return context.quorum ? context.quorum() : QuorumView{}; }

template <class Reply>
using Decision = machine::Decision<Reply, ControllerState>;

// One function per command; pure but for new_uuid. The records apply to the image in their order. Each subject has its
// file, decide_<subject>.cc. Those that look at what brokers hold, or at when they were heard, take the whole state.
Decision<CreateTopicsReply> decide(const ClusterImage& image, const CreateTopics& command,
                                   const DecisionContext& context);
Decision<DeleteTopicsReply> decide(const ClusterImage& image, const DeleteTopics& command,
                                   const DecisionContext& context);
Decision<CreatePartitionsReply> decide(const ClusterImage& image, const CreatePartitions& command,
                                       const DecisionContext& context);
Decision<AlterConfigsReply> decide(const ClusterImage& image, const AlterConfigs& command,
                                   const DecisionContext& context);
Decision<Result<ProducerIdBlock>> decide(const ClusterImage& image, const AllocateProducerIds& command);
Decision<Result<int32_t>> decide_offsets_topic(const ClusterImage& image, const DecisionContext& context);
// First records of a log: the cluster's id and feature levels.
// A new log also gets the upper ends of `features` as finalized levels.
Decision<Status> decide_initialization(const ClusterImage& image, const std::string& cluster_id,
                                       const FeatureRanges& features = {});

Decision<Result<RegisterBrokerReply>> decide(const ControllerState& state, const RegisterBroker& command,
                                             const DecisionContext& context);
Decision<Status> decide(const ControllerState& state, const BrokerGone& command, const DecisionContext& context);
Decision<Status> decide(const ControllerState& state, const SetFenced& command, const DecisionContext& context);
Decision<Status> decide(const ControllerState& state, const UnregisterBroker& command, const DecisionContext& context);
Decision<Result<BrokerHeartbeatReply>> decide(const ControllerState& state, const BrokerHeartbeat& command,
                                              const DecisionContext& context);
Decision<TickReply> decide(const ControllerState& state, const Tick& command, const DecisionContext& context);
Decision<Result<AlterPartitionReply>> decide(const ControllerState& state, const AlterPartition& command,
                                             const DecisionContext& context);
Decision<ElectLeadersReply> decide(const ControllerState& state, const ElectLeaders& command,
                                   const DecisionContext& context);
Decision<AlterReassignmentsReply> decide(const ControllerState& state, const AlterReassignments& command,
                                         const DecisionContext& context);
Decision<Result<MayStopReply>> decide(const ControllerState& state, const MayStop& command,
                                      const DecisionContext& context);
Decision<Status> decide(const ControllerState& state, const ReleasePermit& command, const DecisionContext& context);
Decision<Status> decide(const ControllerState& state, const Decommission& command, const DecisionContext& context);
Decision<Status> decide(const ControllerState& state, const CancelDecommission& command,
                        const DecisionContext& context);
DecommissionProgress decommission_progress(const ControllerState& state, BrokerId node, TimePoint now);
Decision<Result<DrainLeadershipReply>> decide(const ControllerState& state, const DrainLeadership& command,
                                              const DecisionContext& context);
Decision<Result<MovePlan>> decide(const ControllerState& state, const Rebalance& command,
                                  const DecisionContext& context);
Decision<UpdateFeaturesReply> decide(const ClusterImage& image, const UpdateFeatures& command);
Decision<Status> decide(const ClusterImage& image, const SetVoters& command);

void add(std::vector<machine::Record>& records, const MetadataRecord& record);

// Checks that a manual placement names registered brokers, none twice, at least one of them live, and as many as
// `replication_factor` (0: any number but none); invalid_replica_assignment says what is wrong.
Status check_assignment(const ClusterImage& image, PartitionIndex partition, const std::vector<BrokerId>& replicas,
                        size_t replication_factor);

}  // namespace millrace::metadata
