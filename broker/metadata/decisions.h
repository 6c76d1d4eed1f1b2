#pragma once

#include <functional>

#include "broker/machine/decision.h"
#include "broker/metadata/commands.h"
#include "broker/metadata/records.h"
#include "broker/metadata/topic_config.h"

namespace millrace::metadata {

// What decisions rest on beside the image.
struct DecisionContext {
  BrokerConfigView config;         // defaults: num.partitions and the like
  std::function<Uuid()> new_uuid;  // for new topics; lands in the records, so replay needs none
};

template <class Reply>
using Decision = machine::Decision<Reply>;

// One function per command; pure but for new_uuid. The records apply to `image` in their order. Each subject has its
// file: decide_topics.cc, decide_deletion.cc, decide_growth.cc, decide_configs.cc, decide_brokers.cc.
Decision<CreateTopicsReply> decide(const ClusterImage& image, const CreateTopics& command,
                                   const DecisionContext& context);
Decision<DeleteTopicsReply> decide(const ClusterImage& image, const DeleteTopics& command,
                                   const DecisionContext& context);
Decision<CreatePartitionsReply> decide(const ClusterImage& image, const CreatePartitions& command,
                                       const DecisionContext& context);
Decision<AlterConfigsReply> decide(const ClusterImage& image, const AlterConfigs& command,
                                   const DecisionContext& context);
Decision<Result<RegisterBrokerReply>> decide(const ClusterImage& image, const RegisterBroker& command);
Decision<Status> decide(const ClusterImage& image, const SetFenced& command);
Decision<Status> decide(const ClusterImage& image, const UnregisterBroker& command);
Decision<Result<ProducerIdBlock>> decide(const ClusterImage& image, const AllocateProducerIds& command);
Decision<Result<int32_t>> decide_offsets_topic(const ClusterImage& image, const DecisionContext& context);
// First records of a log: the cluster's id and feature levels.
Decision<Status> decide_initialization(const ClusterImage& image, const std::string& cluster_id);

void add(std::vector<machine::Record>& records, const MetadataRecord& record);

// Checks that a manual placement names registered brokers, none twice, at least one of them live, and as many as
// `replication_factor` (0: any number but none); invalid_replica_assignment says what is wrong.
Status check_assignment(const ClusterImage& image, PartitionIndex partition, const std::vector<BrokerId>& replicas,
                        size_t replication_factor);

}  // namespace millrace::metadata
