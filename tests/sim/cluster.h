#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/sim_node.h"
#include "tests/sim/truth.h"

namespace millrace::sim {

class Clients;
class Faults;
class Checks;

// A topic of the run, and what its configuration promises.
struct SimTopic {
  std::string name;
  int32_t partitions = 1;
  int16_t replication = 3;
  int min_insync = 2;
  bool flushed = false;  // flush.messages=1: what is acknowledged survives the loss of power of all
};

struct Outcome {
  uint64_t seed = 0;
  uint64_t hash = 0;
  Duration virtual_time{};
  std::optional<std::string> failed_check;
  std::string trace;  // when it failed
  std::map<std::string, uint64_t> counters;
};

// One run: a cluster of brokers, clients, what goes wrong, and what must hold, all from one seed.
class Cluster {
 public:
  Cluster(uint64_t seed, bool print);
  ~Cluster();

  Outcome run();

  World& world() { return world_; }
  Truth& truth() { return truth_; }
  std::vector<std::unique_ptr<SimNode>>& nodes() { return nodes_; }
  SimNode& node(BrokerId id) { return *nodes_[static_cast<size_t>(id.value() - 1)]; }
  SimNode& any_node() { return *nodes_[world_.random.below(nodes_.size())]; }
  const std::vector<SimTopic>& topics() const { return topics_; }
  // The newest image that any broker has seen.
  const metadata::ClusterImage& image() const { return *newest_; }
  const metadata::PartitionImage* state(const Place& place) const {
    return newest_->find_partition(place.first, PartitionIndex{place.second});
  }
  // The broker that is the controller, if one is.
  SimNode* controller();
  void cut_clients(BrokerId broker, bool silently);  // off that broker
  bool is_healed() const { return is_healed_; }
  bool is_draining() const { return is_draining_; }  // producers end what they have begun
  Duration within(int64_t from_ms, int64_t to_ms) {
    return std::chrono::milliseconds(from_ms +
                                     static_cast<int64_t>(world_.random.below(static_cast<uint64_t>(to_ms - from_ms))));
  }

 private:
  bool run_until(const std::function<bool()>& done, Duration limit);
  void see(BrokerId broker, const metadata::ImagePointer& image);
  bool is_settled();
  std::string describe();
  static std::string describe(SimNode& node);  // its place in the quorum

  World world_;
  Truth truth_{world_.trace};
  const uint64_t seed_;
  std::vector<SimTopic> topics_;
  metadata::ImagePointer newest_ = std::make_shared<metadata::ClusterImage>();
  std::unique_ptr<Clients> clients_;
  std::unique_ptr<Checks> checks_;
  std::unique_ptr<Faults> faults_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  bool is_healed_ = false, is_draining_ = false;
};

}  // namespace millrace::sim
