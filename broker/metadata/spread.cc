#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "broker/metadata/moves.h"
#include "broker/metadata/partition_rules.h"
#include "broker/metadata/reassignment.h"

namespace millrace::metadata {
namespace {

using Ids = std::vector<BrokerId>;

// The replicas that a partition will have.
Ids target_of(const PartitionImage& partition) {
  Ids target;
  std::copy_if(partition.replicas.begin(), partition.replicas.end(), std::back_inserter(target),
               [&](BrokerId id) { return !holds(partition.removing, id); });
  return target;
}

Ids replaced(Ids replicas, BrokerId from, BrokerId to) {
  std::replace(replicas.begin(), replicas.end(), from, to);
  return replicas;
}

class Spread {
 public:
  explicit Spread(const ClusterImage& image) : image_(image) {
    for (const auto& [id, broker] : image.brokers) {
      if (broker.takes_replicas()) loads_[id];
    }
    for (const auto& [name, topic] : image.topics()) {
      for (size_t i = 0; i < topic->partitions.size(); ++i) add(*topic, PartitionIndex{static_cast<int32_t>(i)});
    }
  }

  int32_t moving() const { return moving_; }

  // Moves that even loads need at least.
  int32_t needed() const {
    if (loads_.empty()) return 0;
    const auto brokers = static_cast<int32_t>(loads_.size());
    int32_t all = 0;
    for (const auto& [id, load] : loads_) all += load.replicas;
    const int32_t floor = all / brokers;
    const int32_t ceiling = floor + (all % brokers != 0);
    int32_t over = 0;
    int32_t under = 0;
    for (const auto& [id, load] : loads_) {
      over += std::max(0, load.replicas - ceiling);
      under += std::max(0, floor - load.replicas);
    }
    return std::max(over, under);
  }

  // The next move, counted as done; none when loads are even, or racks allow no more.
  std::optional<PlannedMove> next() {
    Ids by_load;
    for (const auto& [id, load] : loads_) by_load.push_back(id);
    std::stable_sort(by_load.begin(), by_load.end(),
                     [&](BrokerId a, BrokerId b) { return loads_[a].replicas < loads_[b].replicas; });
    for (auto from = by_load.rbegin(); from != by_load.rend(); ++from) {
      for (const BrokerId to : by_load) {
        if (loads_[*from].replicas - loads_[to].replicas < 2) break;
        if (auto move = move_between(*from, to)) return move;
      }
    }
    return std::nullopt;
  }

 private:
  struct Candidate {
    const TopicImage* topic;
    PartitionIndex index;
    bool used = false;
    const PartitionImage& partition() const { return topic->partitions[static_cast<size_t>(index.value())]; }
  };
  struct Load {
    int32_t replicas = 0;
    int32_t preferred = 0;  // of these, as preferred leader
    std::map<Uuid, int32_t> topics;
    std::vector<size_t> candidates;
  };

  void add(const TopicImage& topic, PartitionIndex index) {
    const PartitionImage& partition = topic.partitions[static_cast<size_t>(index.value())];
    const bool free = !partition.reassigning() && partition.leader != kNoBroker;
    if (partition.reassigning()) ++moving_;
    if (free) candidates_.push_back({&topic, index});
    const Ids target = target_of(partition);
    for (const BrokerId id : target) {
      const auto found = loads_.find(id);
      if (found == loads_.end()) continue;
      Load& load = found->second;
      ++load.replicas;
      ++load.topics[topic.id];
      if (id == target.front()) ++load.preferred;
      if (free) load.candidates.push_back(candidates_.size() - 1);
    }
  }

  size_t racks_of(const Ids& replicas) const {
    std::set<std::string_view> racks;
    for (const BrokerId id : replicas) {
      if (const BrokerImage* broker = image_.find_broker(id)) racks.insert(broker->rack);
    }
    return racks.size();
  }

  static int32_t count_of(const Load& load, const Uuid& topic) {
    const auto found = load.topics.find(topic);
    return found == load.topics.end() ? 0 : found->second;
  }

  std::optional<PlannedMove> move_between(BrokerId from, BrokerId to) {
    Load& source = loads_[from];
    Load& target = loads_[to];
    const bool wants_preferred = source.preferred > target.preferred;
    Candidate* best = nullptr;
    std::pair<int32_t, bool> best_gain;
    for (const size_t at : source.candidates) {
      Candidate& candidate = candidates_[at];
      const PartitionImage& partition = candidate.partition();
      if (candidate.used || holds(partition.replicas, to)) continue;
      const Uuid& topic = candidate.topic->id;
      const std::pair<int32_t, bool> gain{count_of(source, topic) - count_of(target, topic),
                                          (partition.replicas.front() == from) == wants_preferred};
      if (best != nullptr && gain <= best_gain) continue;
      if (racks_of(replaced(partition.replicas, from, to)) < racks_of(partition.replicas)) continue;
      best = &candidate;
      best_gain = gain;
    }
    if (best == nullptr) return std::nullopt;
    best->used = true;
    const PartitionImage& partition = best->partition();
    --source.replicas;
    ++target.replicas;
    --source.topics[best->topic->id];
    ++target.topics[best->topic->id];
    if (partition.replicas.front() == from) {
      --source.preferred;
      ++target.preferred;
    }
    return PlannedMove{{best->topic->name, best->index}, partition.replicas, replaced(partition.replicas, from, to)};
  }

  const ClusterImage& image_;
  std::map<BrokerId, Load> loads_;
  std::vector<Candidate> candidates_;
  int32_t moving_ = 0;
};

}  // namespace

MovePlan plan_rebalance(const ClusterImage& image, int32_t moves_max) {
  Spread spread(image);
  MovePlan plan{.moves = {}, .moving = spread.moving(), .left = 0, .stuck = 0};
  bool ended = false;
  while (!ended && static_cast<int32_t>(plan.moves.size()) < moves_max) {
    if (auto move = spread.next()) {
      plan.moves.push_back(std::move(*move));
    } else {
      ended = true;
    }
  }
  (ended ? plan.stuck : plan.left) = spread.needed();
  return plan;
}

}  // namespace millrace::metadata
