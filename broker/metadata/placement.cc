#include "broker/metadata/placement.h"

#include <map>
#include <string>

namespace millrace::metadata {
namespace {

// Live brokers with racks taken in turn: a1 b1 c1 a2 b2 … Any window of it no longer than the number of racks lies in
// different racks, as long as racks are of equal size.
Replicas in_turn(const ClusterImage& image, size_t& rack_count) {
  std::map<std::string, Replicas> racks;
  size_t longest = 0;
  for (const auto& [id, broker] : image.brokers) {
    if (broker.fenced) continue;
    Replicas& rack = racks[broker.rack];
    rack.push_back(id);
    longest = std::max(longest, rack.size());
  }
  rack_count = racks.size();
  Replicas order;
  for (size_t i = 0; i < longest; ++i) {
    for (const auto& [name, rack] : racks) {
      if (i < rack.size()) order.push_back(rack[i]);
    }
  }
  return order;
}

}  // namespace

Result<std::vector<Replicas>> place_partitions(const ClusterImage& image, int32_t first, int32_t count,
                                               int32_t replication_factor, uint64_t seed) {
  size_t racks = 0;
  const Replicas order = in_turn(image, racks);
  const size_t brokers = order.size();
  const size_t factor = static_cast<size_t>(replication_factor);
  if (replication_factor <= 0 || factor > brokers) {
    return Error{Errc::invalid_replication_factor, "replication factor " + std::to_string(replication_factor) +
                                                       " with " + std::to_string(brokers) + " live brokers"};
  }
  std::vector<Replicas> placed;
  placed.reserve(static_cast<size_t>(count));
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    const size_t partition = static_cast<size_t>(first) + i;
    const size_t leader = (seed % brokers + partition) % brokers;
    // Each time round, followers shift by one more, so that the partitions of a failed leader spread over all others;
    // between racks that would put two replicas into one.
    const size_t shift = racks == 1 ? (partition / brokers) % (brokers - factor + 1) : 0;
    Replicas replicas{order[leader]};
    for (size_t k = 1; k < factor; ++k) replicas.push_back(order[(leader + shift + k) % brokers]);
    placed.push_back(std::move(replicas));
  }
  return placed;
}

PartitionImage new_partition(const ClusterImage& image, Replicas replicas) {
  PartitionImage partition;
  for (const BrokerId id : replicas) {
    const BrokerImage* broker = image.find_broker(id);
    if (broker != nullptr && !broker->fenced) partition.isr.push_back(id);
  }
  partition.leader = partition.isr.empty() ? kNoBroker : partition.isr.front();
  partition.replicas = std::move(replicas);
  return partition;
}

}  // namespace millrace::metadata
