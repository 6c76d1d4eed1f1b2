#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/metadata/cluster_image.h"
#include "broker/protocol/error_code.h"

namespace millrace::server::handlers {

// What Metadata, DescribeTopicPartitions and DescribeCluster tell of the cluster, seen from one listener.

// Bits of authorized_operations (bit n: the ACL operation of code n). Nothing is forbidden to anybody yet.
inline constexpr int32_t kTopicOperations = (1 << 3) | (1 << 4) | (1 << 5) | (1 << 6) | (1 << 7) | (1 << 8) |
                                            (1 << 10) | (1 << 11);  // read write create delete alter describe …configs
inline constexpr int32_t kClusterOperations = (1 << 5) | (1 << 7) | (1 << 8) | (1 << 9) | (1 << 10) | (1 << 11) |
                                              (1 << 12);  // create alter describe cluster-action …configs idempotent

// A broker as clients of `listener` reach it.
struct BrokerAddress {
  const metadata::BrokerImage* broker = nullptr;
  const metadata::ListenerEndpoint* endpoint = nullptr;
};
std::vector<BrokerAddress> brokers_on(const metadata::ClusterImage& image, std::string_view listener,
                                      bool include_fenced);

// A partition's leader as clients of `listener` may use it: with leader_not_available when there is none or it is not
// alive, listener_not_found when it cannot be reached on the listener.
struct LeaderAnswer {
  protocol::ErrorCode error = protocol::ErrorCode::none;
  int32_t leader = -1;
};
LeaderAnswer leader_on(const metadata::ClusterImage& image, const metadata::PartitionImage& partition,
                       std::string_view listener);

std::vector<int32_t> ids_of(const std::vector<BrokerId>& brokers);
std::vector<int32_t> offline_of(const metadata::ClusterImage& image, const std::vector<BrokerId>& brokers);
std::vector<int32_t> online_of(const metadata::ClusterImage& image, const std::vector<BrokerId>& brokers);

// Any broker that takes admin requests; -1 when none is alive.
int32_t controller_of(const metadata::ClusterImage& image);

}  // namespace millrace::server::handlers
