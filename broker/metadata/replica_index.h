#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "broker/base/strong_id.h"
#include "broker/base/uuid.h"
#include "broker/metadata/cluster_image.h"
#include "broker/metadata/records.h"

namespace millrace::metadata {

// Where a broker's replicas are and which partitions have no leader, kept beside an image that changes record by
// record, so that a decision about one broker looks at its topics only. By topic, not by partition: a tenth of the
// memory, and a topic's partitions are scanned quickly. A value with one owner at a time.
class ReplicaIndex {
 public:
  using Partition = std::pair<Uuid, PartitionIndex>;
  struct Counts {
    int32_t replicas = 0;
    int32_t leaders = 0;
    int32_t in_sync = 0;
  };

  ReplicaIndex() = default;
  explicit ReplicaIndex(const ClusterImage& image);

  // Before the image changes by it.
  void apply(const ClusterImage& before, const MetadataRecord& record);

  Counts counts(BrokerId id) const;
  const std::map<Uuid, int32_t>& topics(BrokerId id) const;  // and how many of its replicas each has
  const std::set<Partition>& leaderless() const { return leaderless_; }
  int32_t partitions() const { return partitions_; }  // of all topics
  // Grows with everything after which a partition without leader might get one: brokers, configurations, partitions.
  uint64_t election_causes() const { return election_causes_; }

 private:
  struct OfBroker {
    Counts counts;
    std::map<Uuid, int32_t> topics;
  };
  void add(const Uuid& topic, PartitionIndex index, const PartitionImage& state);
  void remove(const Uuid& topic, PartitionIndex index, const PartitionImage& state);

  std::map<BrokerId, OfBroker> brokers_;
  std::set<Partition> leaderless_;
  int32_t partitions_ = 0;
  uint64_t election_causes_ = 1;
};

}  // namespace millrace::metadata
