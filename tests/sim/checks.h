#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/truth.h"

#include "broker/metadata/cluster_image.h"
#include "broker/replication/partition.h"

namespace millrace::sim {

class Cluster;
class SimNode;

// What must hold at any time, looked at from outside: replicas, in-sync sets, images, the quorum.
class Checks {
 public:
  explicit Checks(Cluster& cluster) : cluster_(cluster) {}

  void image_seen(BrokerId broker, const metadata::ClusterImage& image);
  void look();              // at everything, between two steps
  void compare_replicas();  // in the end, when all is settled

 private:
  using Known = std::pair<Uuid, int32_t>;  // a partition: names of topics come again
  void note_state(const Known& known, const Place& place, const metadata::PartitionImage& state);
  void look_at_replica(SimNode& node, const Place& place);
  void look_at_in_sync_set(const Place& place);
  void look_at_quorum(SimNode& node);
  std::vector<Stored> read(SimNode& node, const Place& place, int64_t from, size_t bytes_max);
  void violation(const std::string& check, const std::string& what);

  Cluster& cluster_;
  std::map<int64_t, std::pair<uint64_t, BrokerId>> images_;   // offset -> hash, and who saw it first
  std::map<std::pair<Known, int32_t>, BrokerId> leaders_;     // of each leader epoch
  std::map<Known, int32_t> states_;                           // the newest partition epoch
  std::map<int64_t, BrokerId> terms_;                         // leaders of the quorum
  std::map<std::pair<BrokerId, uint64_t>, int64_t> commits_;  // by process
  struct Seen {
    std::weak_ptr<replication::Partition> partition;  // a replica that is removed and added again begins anew
    Offset high_watermark{0};
  };
  std::map<std::pair<BrokerId, Place>, Seen> high_watermarks_;
};

}  // namespace millrace::sim
