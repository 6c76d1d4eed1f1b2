#include "tests/sim/checks.h"

#include <algorithm>

#include "tests/sim/cluster.h"

#include "broker/control/metadata_machine.h"
#include "broker/replication/replication_test_support.h"

namespace millrace::sim {
namespace {

uint64_t hash_of(const Bytes& bytes) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < bytes.size(); ++i) {
    hash = (hash ^ static_cast<uint8_t>(bytes.data()[i])) * 0x100000001b3u;
  }
  return hash;
}

}  // namespace

void Checks::violation(const std::string& check, const std::string& what) {
  cluster_.world().trace.violation(check, what);
}

void Checks::image_seen(BrokerId broker, const metadata::ClusterImage& image) {
  const uint64_t hash = hash_of(control::MetadataMachine::encode_snapshot(image));
  const auto [seen, is_new] = images_.try_emplace(image.applied.value(), hash, broker);
  if (!is_new) {
    if (seen->second.first != hash) {
      violation("equal images", "at metadata offset " + std::to_string(image.applied.value()) + " broker " +
                                    std::to_string(broker.value()) + " has another image than broker " +
                                    std::to_string(seen->second.second.value()));
    }
    return;
  }
  for (const auto& [name, topic] : image.topics()) {
    for (size_t p = 0; p < topic->partitions.size(); ++p) {
      const metadata::PartitionImage& state = topic->partitions[p];
      const Place place{name, static_cast<int32_t>(p)};
      const Known known{topic->id, static_cast<int32_t>(p)};
      note_state(known, place, state);
      if (state.leader == kNoBroker) continue;
      const auto [leader, first] = leaders_.try_emplace({known, state.leader_epoch.value()}, state.leader);
      if (first) cluster_.world().trace.count("elections of partitions");
      if (leader->second != state.leader) {
        violation("one leader in an epoch", to_string(place) + " epoch " + std::to_string(state.leader_epoch.value()) +
                                                " has leaders " + std::to_string(leader->second.value()) + " and " +
                                                std::to_string(state.leader.value()));
      }
      const metadata::BrokerImage* of_leader = image.find_broker(state.leader);
      if (of_leader == nullptr || of_leader->fenced) {
        violation("no fenced broker leads", to_string(place) + " is led by fenced broker " +
                                                std::to_string(state.leader.value()) + " at metadata offset " +
                                                std::to_string(image.applied.value()));
      }
    }
  }
}

// Says what the newest image has changed.
void Checks::note_state(const Known& known, const Place& place, const metadata::PartitionImage& state) {
  int32_t& epoch = states_.try_emplace(known, -1).first->second;
  if (state.partition_epoch <= epoch) return;
  epoch = state.partition_epoch;
  const auto names = [](const char* what, const std::vector<BrokerId>& brokers) {
    std::string text;
    for (const BrokerId broker : brokers) text += (text.empty() ? what : " ") + std::to_string(broker.value());
    return text;
  };
  Trace& trace = cluster_.world().trace;
  trace.line(to_string(place) + " is led by " +
             (state.leader == kNoBroker ? "nobody" : "broker " + std::to_string(state.leader.value())) + " in epoch " +
             std::to_string(state.leader_epoch.value()) + names("; in sync ", state.isr) +
             names("; eligible ", state.elr.get()) + names("; coming ", state.adding.get()) +
             names("; going ", state.removing.get()));
  trace.count("changes of in-sync sets and leaders");
}

void Checks::look() {
  for (const auto& node : cluster_.nodes()) {
    if (node->is_running()) look_at_quorum(*node);
  }
  for (const SimTopic& topic : cluster_.topics()) {
    for (int32_t p = 0; p < topic.partitions; ++p) {
      const Place place{topic.name, p};
      for (const auto& node : cluster_.nodes()) look_at_replica(*node, place);
      look_at_in_sync_set(place);
    }
  }
}

void Checks::look_at_quorum(SimNode& node) {
  if (node.run()->quorum() == nullptr) return;
  const raft::NodeStatus status = node.run()->quorum()->node().status();
  if (status.state.role == raft::Role::leader) {
    const auto [leader, first] = terms_.try_emplace(status.state.term.value(), node.id());
    if (first) {
      cluster_.world().trace.count("elections of the quorum");
      cluster_.world().trace.line(node.name() + " leads the quorum in term " +
                                  std::to_string(status.state.term.value()));
    }
    if (leader->second != node.id()) {
      violation("one leader in a term", "term " + std::to_string(status.state.term.value()) + " has leaders " +
                                            std::to_string(leader->second.value()) + " and " +
                                            std::to_string(node.id().value()));
    }
  }
  int64_t& commit = commits_[{node.id(), node.starts()}];
  if (status.commit.value() < commit) violation("the commit index does not go back", node.name());
  commit = status.commit.value();
}

void Checks::look_at_replica(SimNode& node, const Place& place) {
  const std::shared_ptr<replication::Partition> partition = node.find(place.first, place.second);
  if (partition == nullptr) return;
  const Result<replication::PartitionOffsets> at = partition->offsets_of_log();
  if (!at) return;  // offline
  const std::string here = node.name() + ", " + to_string(place);
  if (at->high_watermark > at->log_end || at->log_start > at->high_watermark) {
    violation("log start <= high watermark <= log end", here + ": " + std::to_string(at->log_start.value()) + ", " +
                                                            std::to_string(at->high_watermark.value()) + ", " +
                                                            std::to_string(at->log_end.value()));
  }
  Seen& seen = high_watermarks_[{node.id(), place}];
  if (seen.partition.lock() != partition) seen = {.partition = partition};
  if (at->high_watermark < seen.high_watermark) {
    violation("a high watermark does not go back", here + ": " + std::to_string(seen.high_watermark.value()) + " to " +
                                                       std::to_string(at->high_watermark.value()));
  }
  seen.high_watermark = at->high_watermark;
  const auto span = static_cast<uint64_t>(at->high_watermark.value() - at->log_start.value());
  if (span > 0) {
    read(node, place, at->log_start.value() + static_cast<int64_t>(cluster_.world().random.below(span)), 1000);
  }
}

std::vector<Stored> Checks::read(SimNode& node, const Place& place, int64_t from, size_t bytes_max) {
  const auto result = node.find(place.first, place.second)
                          ->fetch(Offset{from}, bytes_max, true, replication::Isolation::read_uncommitted,
                                  kNoLeaderEpoch, SIZE_MAX, replication::ReadFrom::any_replica);
  if (!result) {
    cluster_.world().trace.count("reads refused by a replica");
    return {};
  }
  std::vector<Stored> all = stored_in(replication::testing::bytes_of(result->read));
  for (const Stored& stored : all)
    cluster_.truth().note(place, stored.offset, stored.value, "replica of " + node.name());
  return all;
}

// The leader never shows what a member of the in-sync set lacks.
void Checks::look_at_in_sync_set(const Place& place) {
  const metadata::PartitionImage* now = cluster_.state(place);
  if (now == nullptr || now->leader == kNoBroker) return;
  const auto leader = cluster_.node(now->leader).find(place.first, place.second);
  if (leader == nullptr || leader->leader_epoch() != now->leader_epoch || !leader->offsets()) return;
  const Offset high_watermark = leader->offsets()->high_watermark;
  for (const BrokerId member : now->isr) {
    if (cluster_.node(member).may_have_lost()) continue;
    const auto replica = cluster_.node(member).find(place.first, place.second);
    if (replica == nullptr) continue;
    const Result<replication::PartitionOffsets> at = replica->offsets_of_log();
    if (!at || at->log_end >= high_watermark) continue;
    violation("the in-sync set has all that is committed",
              "broker " + std::to_string(member.value()) + " is in sync for " + to_string(place) + " and ends at " +
                  std::to_string(at->log_end.value()) + "; leader " + std::to_string(now->leader.value()) + " shows " +
                  std::to_string(high_watermark.value()));
  }
}

void Checks::compare_replicas() {
  for (const SimTopic& topic : cluster_.topics()) {
    for (int32_t p = 0; p < topic.partitions; ++p) {
      const Place place{topic.name, p};
      std::map<int64_t, Stored> first;
      for (const BrokerId id : cluster_.state(place)->replicas) {
        SimNode& node = cluster_.node(id);
        const auto at = node.find(place.first, place.second)->offsets_of_log();
        std::map<int64_t, Stored> content;
        for (int64_t from = at->log_start.value(); from < at->log_end.value();) {
          const std::vector<Stored> some = read(node, place, from, 100'000);
          if (some.empty()) break;
          for (const Stored& stored : some) content.emplace(stored.offset, stored);
          from = some.back().offset + 1;
        }
        cluster_.truth().expect_all_acknowledged_in(place, content, node.name());
        if (first.empty()) first = content;
        const bool equal = std::equal(content.begin(), content.end(), first.begin(), first.end(), [](auto& a, auto& b) {
          return a.first == b.first && a.second.value == b.second.value && a.second.epoch == b.second.epoch;
        });
        if (!equal) violation("replicas are equal in the end", node.name() + ", " + to_string(place));
      }
    }
  }
}

}  // namespace millrace::sim
