#pragma once

#include "broker/metadata/topic_config.h"
#include "broker/replication/partition.h"

namespace millrace::replication {

// A topic's effective configuration as its partitions use it.
PartitionConfig partition_config(const metadata::ClusterImage& image, const metadata::TopicImage& topic,
                                 const metadata::BrokerConfigView& broker);

}  // namespace millrace::replication
