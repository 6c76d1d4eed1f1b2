#include "broker/metadata/placement.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <string>
#include <tuple>

namespace millrace::metadata {
namespace {

using Racks = std::vector<Replicas>;

Racks racks_of(const ClusterImage& image) {
  std::map<std::string_view, Replicas> by_name;
  for (const auto& [id, broker] : image.brokers) {
    if (broker.takes_replicas()) by_name[broker.rack].push_back(id);
  }
  Racks racks;
  for (auto& [name, rack] : by_name) racks.push_back(std::move(rack));
  return racks;
}

// A sequence that depends on its seed alone (splitmix64).
class Sequence {
 public:
  explicit Sequence(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    state_ += 0x9E3779B97F4A7C15u;
    uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    return mixed ^ (mixed >> 31);
  }
  template <class Item>
  void shuffle(std::vector<Item>& items) {
    for (size_t left = items.size(); left > 1; --left) std::swap(items[left - 1], items[next() % left]);
  }

 private:
  uint64_t state_;
};

// Racks of equal size. One time round all brokers, racks in turn: any stretch of it that is no longer than the number
// of racks lies in different racks, also across its end.
Replicas shuffled_round(Racks racks, Sequence& sequence) {
  for (Replicas& rack : racks) sequence.shuffle(rack);
  sequence.shuffle(racks);
  Replicas order;
  for (size_t i = 0; i < racks.front().size(); ++i) {
    for (const Replicas& rack : racks) order.push_back(rack[i]);
  }
  return order;
}

// As many partitions as brokers take stretches of the round one after another, so that each broker has the same number
// of replicas. Their leaders are the first ones until the stretches repeat, then the second ones, and so on: every
// broker leads once.
std::vector<Replicas> place_round(const Replicas& order, size_t factor) {
  const size_t brokers = order.size();
  const size_t repeats_after = brokers / std::gcd(factor, brokers);
  std::vector<Replicas> placed(brokers);
  for (size_t i = 0; i < brokers; ++i) {
    const size_t leads = i / repeats_after;
    for (size_t k = 0; k < factor; ++k) placed[i].push_back(order[(i * factor + (leads + k) % factor) % brokers]);
  }
  return placed;
}

// Of some rounds the one in which leaders are followed by others than in the rounds before.
std::vector<Replicas> place_evenly(const Racks& racks, size_t count, size_t factor, uint64_t seed) {
  constexpr int kCandidates = 8;
  Sequence sequence(seed);
  std::map<std::pair<BrokerId, BrokerId>, int> followed;
  std::vector<Replicas> placed;
  while (placed.size() < count) {
    std::vector<Replicas> best;
    int best_repeats = 0;
    for (int candidate = 0; candidate < kCandidates; ++candidate) {
      std::vector<Replicas> round = place_round(shuffled_round(racks, sequence), factor);
      int repeats = 0;
      if (factor > 1) {
        for (const Replicas& replicas : round) repeats += followed[{replicas[0], replicas[1]}];
      }
      if (!best.empty() && repeats >= best_repeats) continue;
      best = std::move(round);
      best_repeats = repeats;
      if (repeats == 0) break;
    }
    for (Replicas& replicas : best) {
      if (factor > 1) ++followed[{replicas[0], replicas[1]}];
      placed.push_back(std::move(replicas));
    }
  }
  placed.resize(count);
  return placed;
}

// Any racks, and partitions that are there already: each replica goes where the least is.
class Balance {
 public:
  Balance(const Racks& racks, const std::vector<PartitionImage>& existing, uint64_t seed) : sequence_(seed) {
    for (const Replicas& rack : racks) {
      for (const BrokerId id : rack) {
        nodes_.push_back({.id = id, .rack = racks_.size(), .replicas = 0, .leaders = 0, .tie = sequence_.next()});
      }
      racks_.push_back({.brokers = static_cast<double>(rack.size()), .replicas = 0, .used = 0});
    }
    for (const PartitionImage& partition : existing) {
      for (Node& node : nodes_) {
        if (std::find(partition.replicas.begin(), partition.replicas.end(), node.id) == partition.replicas.end()) {
          continue;
        }
        count(node);
        if (partition.replicas.front() == node.id) ++node.leaders;
      }
    }
  }

  Replicas next(size_t factor) {
    std::vector<Node*> chosen;
    for (Rack& rack : racks_) rack.used = 0;
    for (size_t k = 0; k < factor; ++k) {
      Node* best = nullptr;
      for (Node& node : nodes_) {
        const bool taken = std::find(chosen.begin(), chosen.end(), &node) != chosen.end();
        if (!taken && (best == nullptr || key_of(node) < key_of(*best))) best = &node;
      }
      ++racks_[best->rack].used;
      chosen.push_back(best);
    }
    for (Node* node : chosen) {
      count(*node);
      node->tie = sequence_.next();
    }
    const auto leads = std::min_element(chosen.begin(), chosen.end(),
                                        [](const Node* a, const Node* b) { return a->leaders < b->leaders; });
    ++(*leads)->leaders;
    std::iter_swap(chosen.begin(), leads);
    Replicas replicas;
    for (const Node* node : chosen) replicas.push_back(node->id);
    return replicas;
  }

 private:
  struct Node {
    BrokerId id;
    size_t rack;
    int64_t replicas;
    int64_t leaders;
    uint64_t tie;
  };
  struct Rack {
    double brokers;
    double replicas;
    int used;  // by the partition that is placed now
  };
  void count(Node& node) {
    ++node.replicas;
    ++racks_[node.rack].replicas;
  }
  // The smaller, the better.
  std::tuple<int, double, int64_t, int64_t, uint64_t> key_of(const Node& node) const {
    const Rack& rack = racks_[node.rack];
    return {rack.used, rack.replicas / rack.brokers, node.replicas, node.leaders, node.tie};
  }
  Sequence sequence_;
  std::vector<Node> nodes_;
  std::vector<Rack> racks_;
};

bool begins_with(const std::vector<Replicas>& placed, const std::vector<PartitionImage>& existing) {
  return std::equal(
      existing.begin(), existing.end(), placed.begin(),
      [](const PartitionImage& partition, const Replicas& replicas) { return partition.replicas == replicas; });
}

}  // namespace

Result<std::vector<Replicas>> place_partitions(const ClusterImage& image, const std::vector<PartitionImage>& existing,
                                               int32_t count, int32_t replication_factor, uint64_t seed) {
  const Racks racks = racks_of(image);
  const size_t brokers = image.placeable_brokers();
  const size_t factor = static_cast<size_t>(replication_factor);
  if (replication_factor <= 0 || factor > brokers) {
    return Error{Errc::invalid_replication_factor, "replication factor " + std::to_string(replication_factor) +
                                                       " with " + std::to_string(brokers) + " live brokers"};
  }
  const bool even = std::all_of(racks.begin(), racks.end(),
                                [&](const Replicas& rack) { return rack.size() == racks.front().size(); });
  if (even) {
    std::vector<Replicas> placed = place_evenly(racks, existing.size() + static_cast<size_t>(count), factor, seed);
    if (begins_with(placed, existing)) {
      placed.erase(placed.begin(), placed.begin() + static_cast<std::ptrdiff_t>(existing.size()));
      return placed;
    }
  }
  std::vector<Replicas> placed;
  Balance balance(racks, existing, seed);
  for (int32_t i = 0; i < count; ++i) placed.push_back(balance.next(factor));
  return placed;
}

PartitionImage new_partition(const ClusterImage& image, Replicas replicas, Timestamp now_ms) {
  const auto in_sync = [&](auto may) {
    Replicas members;
    for (const BrokerId id : replicas) {
      const BrokerImage* broker = image.find_broker(id);
      if (broker != nullptr && may(*broker)) members.push_back(id);
    }
    return members;
  };
  PartitionImage partition;
  partition.isr = in_sync([](const BrokerImage& broker) { return broker.takes_leadership(); });
  if (partition.isr.empty()) partition.isr = in_sync([](const BrokerImage& broker) { return !broker.fenced; });
  ENSURE(!partition.isr.empty());
  partition.leader = partition.isr.front();
  partition.isr_since_ms = now_ms;
  partition.replicas = std::move(replicas);
  return partition;
}

}  // namespace millrace::metadata
