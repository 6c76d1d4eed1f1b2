#include "tests/sim/cluster.h"

#include <algorithm>

#include "tests/sim/checks.h"
#include "tests/sim/clients.h"
#include "tests/sim/faults.h"

namespace millrace::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kFormingMax = seconds(60);   // until a new cluster has its topics
constexpr Duration kSettlingMax = seconds(60);  // after everything was repaired, until all is as it should be
constexpr size_t kAckedAfterHealMin = 100;

ConfigValues values() {
  return {{"replica.lag.time.max.ms", "6000"},
          {"log.retention.check.interval.ms", "700"},
          {"log.flush.offset.checkpoint.interval.ms", "1000"},
          {"replica.high.watermark.checkpoint.interval.ms", "500"},
          {"offsets.topic.num.partitions", "2"},
          {"leader.imbalance.check.interval.seconds", "5"},
          {"default.replication.factor", "3"}};
}

}  // namespace

Cluster::Cluster(uint64_t seed, bool print) : world_(seed, print), seed_(seed) {
  // One in-sync replica suffices for "pair": nothing is promised when that one loses power, unless it has flushed.
  topics_ = {{.name = "paid", .partitions = 2, .flushed = true},
             {.name = "plain", .partitions = 2},
             {.name = "pair", .partitions = 1, .replication = 2, .min_insync = 1, .flushed = true}};
  const auto count = static_cast<int32_t>(3 + world_.random.below(3));
  std::vector<BrokerId> voters;
  for (int32_t id = 1; id <= 3; ++id) voters.emplace_back(id);
  clients_ = std::make_unique<Clients>(*this);
  checks_ = std::make_unique<Checks>(*this);
  faults_ = std::make_unique<Faults>(*this);
  for (int32_t id = 1; id <= count; ++id) {
    nodes_.push_back(std::make_unique<SimNode>(
        world_, BrokerId{id}, voters, values(), seed * 16 + 5 + static_cast<uint64_t>(id),
        SimNode::Events{.on_image = [this](BrokerId broker, const auto& image) { see(broker, image); },
                        .on_gone = [this](BrokerId broker, bool silently) { clients_->lose(broker, silently); }}));
    nodes_.back()->clock().set_drift(static_cast<int64_t>(world_.random.below(20'000)) - 10'000);
  }
}

Cluster::~Cluster() = default;

void Cluster::see(BrokerId broker, const metadata::ImagePointer& image) {
  checks_->image_seen(broker, *image);
  if (image->applied <= newest_->applied) return;
  newest_ = image;
  for (const auto& node : nodes_) {
    const metadata::BrokerImage* known = image->find_broker(node->id());
    if (node->is_running() && known != nullptr && known->incarnation == node->run()->incarnation()) {
      node->is_known_again();
    }
  }
}

void Cluster::cut_clients(BrokerId broker, bool silently) { clients_->lose(broker, silently); }

SimNode* Cluster::controller() {
  for (const auto& node : nodes_) {
    if (node->is_running() && node->run()->quorum() != nullptr && node->run()->quorum()->host().controller()) {
      return node.get();
    }
  }
  return nullptr;
}

bool Cluster::run_until(const std::function<bool()>& done, Duration limit) {
  const TimePoint end = world_.clock.now() + limit;
  while (!done() && !world_.trace.failed_check()) {
    if (world_.clock.now() > end || !world_.scheduler.step(end - world_.clock.now())) return done();
    while (!world_.between.empty()) {
      for (const auto& action : std::exchange(world_.between, {})) action();
    }
  }
  return true;
}

Outcome Cluster::run() {
  Trace& trace = world_.trace;
  for (const auto& node : nodes_) node->start();
  clients_->start();
  const std::function<void()> look = [this, &look] {
    checks_->look();
    world_.later(within(5, 20), look);
  };
  look();
  if (!run_until([this] { return clients_->has_topics(); }, kFormingMax)) {
    trace.violation("a new cluster forms", "no topics after a minute");
  }
  world_.links.set_weather(100, 100, 50);
  world_.peers.set_break(3000);
  faults_->begin();
  run_until([] { return false; }, seconds(10 + static_cast<int64_t>(world_.random.below(15))));
  trace.line("everything is repaired");
  is_healed_ = true;
  faults_->end();
  const size_t acked = truth_.acked();
  const TimePoint healed = world_.clock.now();
  const auto settled = [&] {
    is_draining_ = truth_.acked() >= acked + kAckedAfterHealMin;
    return is_draining_ && is_settled();
  };
  if (!run_until(settled, kSettlingMax)) {
    trace.violation("progress after repair", describe());
  }
  if (!trace.failed_check()) {
    trace.line("settled after " + std::to_string((world_.clock.now() - healed).count() / 1'000'000) + " ms");
    checks_->compare_replicas();
  }
  trace.count("records acknowledged by all", truth_.acked());
  trace.line("the end, " + std::to_string(world_.scheduler.random().next()));
  return {.seed = seed_,
          .hash = trace.hash(),
          .virtual_time = world_.clock.now().time_since_epoch(),
          .failed_check = trace.failed_check(),
          .trace = trace.failed_check() ? trace.tail() : "",
          .counters = trace.counters()};
}

bool Cluster::is_settled() {
  if (!clients_->are_done()) return false;
  for (const SimTopic& topic : topics_) {
    for (int32_t p = 0; p < topic.partitions; ++p) {
      const metadata::PartitionImage* now = state({topic.name, p});
      if (now->leader == kNoBroker || now->isr.size() != now->replicas.size() || now->reassigning()) return false;
      const auto leader = node(now->leader).find(topic.name, p);
      for (const BrokerId id : now->replicas) {
        const auto replica = node(id).find(topic.name, p);
        if (leader == nullptr || replica == nullptr || replica->leader_epoch() != now->leader_epoch) return false;
        const auto at = replica->offsets_of_log();
        const auto led = leader->offsets_of_log();
        if (!at || !led || at->high_watermark != led->log_end) return false;
      }
    }
  }
  return true;
}

std::string Cluster::describe(SimNode& node) {
  const raft::NodeStatus status = node.run()->quorum()->node().status();
  std::string text = node.name() + (status.state.role == raft::Role::leader ? " leads" : "") + " in term " +
                     std::to_string(status.state.term.value()) + ", leader " +
                     (status.state.leader ? std::to_string(status.state.leader->node.value()) : "unknown") +
                     ", committed " + std::to_string(status.commit.value()) + " of " +
                     std::to_string(status.last.value()) + ", voters";
  for (const raft::Member& voter : status.configuration.voters) text += " " + std::to_string(voter.node.value());
  return text;
}

std::string Cluster::describe() {
  std::string text = "acknowledged " + std::to_string(truth_.acked()) + (clients_->are_done() ? "" : ", clients wait");
  for (const auto& node : nodes_) {
    if (node->is_running() && node->run()->quorum() != nullptr) text += "\n  " + describe(*node);
  }
  for (const SimTopic& topic : topics_) {
    for (int32_t p = 0; p < topic.partitions; ++p) {
      const metadata::PartitionImage* now = state({topic.name, p});
      if (now == nullptr) continue;
      text += "\n  " + topic.name + "-" + std::to_string(p) + " led by " + std::to_string(now->leader.value()) +
              " in epoch " + std::to_string(now->leader_epoch.value()) + ", in sync " +
              std::to_string(now->isr.size()) + " of " + std::to_string(now->replicas.size());
      for (const BrokerId id : now->replicas) {
        const auto replica = node(id).find(topic.name, p);
        const auto at = replica ? replica->offsets_of_log() : Errc::not_found;
        text += "; broker " + std::to_string(id.value());
        text += at ? " high watermark " + std::to_string(at->high_watermark.value()) + " end " +
                         std::to_string(at->log_end.value()) + " flushed " + std::to_string(at->flushed.value())
                   : " " + at.error().to_string();
      }
    }
  }
  return text;
}

}  // namespace millrace::sim
