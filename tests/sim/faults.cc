#include "tests/sim/faults.h"

#include <algorithm>

#include "tests/sim/cluster.h"

namespace millrace::sim {

using std::chrono::microseconds;
using std::chrono::milliseconds;

void Faults::begin() {
  next();
  knock();
}

// What the product's GoneWatch finds out: where a process has died and its machine lives, connections are refused. Now
// and then they are refused by a firewall, while the broker is well.
void Faults::knock() {
  cluster_.world().later(cluster_.within(20, 80), [this] {
    if (ended_) return;
    tell_who_is_gone();
    knock();
  });
}

void Faults::tell_who_is_gone() {
  World& world = cluster_.world();
  const SimNode* wronged = world.random.chance(1000) ? &cluster_.any_node() : nullptr;
  for (const auto& at : cluster_.nodes()) {
    if (!at->is_running() || at->run()->quorum() == nullptr) continue;
    control::ControllerHost& host = at->run()->quorum()->host();
    const metadata::ImagePointer image = at->run()->image();
    for (const auto& node : cluster_.nodes()) {
      const metadata::BrokerImage* known = image->find_broker(node->id());
      const bool is_reached =
          !world.links.is_blocked(at->id(), node->id()) && !world.links.is_blocked(node->id(), at->id());
      const bool is_refused = !node->is_running() && !node->is_dark() && is_reached;
      if (node == at || !host.is_active() || known == nullptr || known->fenced) continue;
      if (!is_refused && node.get() != wronged) continue;
      world.trace.count(is_refused ? "processes found to be gone" : "brokers said to be gone that were not");
      host.note_gone({.id = node->id(), .epoch = known->epoch});
    }
  }
}

void Faults::next() {
  cluster_.world().later(cluster_.within(30, 500), [this] {
    if (ended_) return;
    one();
    next();
  });
}

void Faults::one() {
  World& world = cluster_.world();
  SimNode& node = cluster_.any_node();
  SimNode& other = cluster_.any_node();
  switch (world.random.below(20)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return go_down(node);
    case 4:
    case 5:
      return block(node, other, world.random.chance(2));
    case 6:
      world.trace.count("streams broken");
      return world.peers.break_streams(node.id(), other.id());
    case 7:
      return bad_weather();
    case 8:
      return slow_disk(node);
    case 9:
      return node.suspend(cluster_.within(50, 4000));
    case 10:
      return turn_clock(node);
    case 11:
    case 12:
      return move_leaders();
    case 13:
      return reassign();
    case 14:
    case 15:
      return full_disk(node);
    case 16:
      return cut_clients(node);
    case 17:
      return change_voters();
    default:
      return make_or_delete_topic();
  }
}

// A majority of the quorum's voters, and of any partition's replicas one, is there most of the time: a cluster that is
// all down shows nothing. What is not flushed survives the loss of power of one machine: with two of them gone that
// were in sync at once, nobody may have everything.
bool Faults::may_go_down(How how, const SimNode& node) {
  const auto& nodes = cluster_.nodes();
  const auto down = std::count_if(nodes.begin(), nodes.end(), [](const auto& each) { return !each->is_serving(); });
  if (down != 0 && !cluster_.world().random.chance(4)) return false;
  if (how == How::asked) return true;
  if (how != How::power) return true;
  if (std::any_of(nodes.begin(), nodes.end(), [](const auto& each) { return each->may_have_lost(); })) return false;
  for (const SimTopic& topic : cluster_.topics()) {
    for (int32_t p = 0; p < topic.partitions && !topic.flushed; ++p) {
      const metadata::PartitionImage* state = cluster_.state({topic.name, p});
      if (state == nullptr) continue;
      const auto has_all = [&](BrokerId id) { return id != node.id() && cluster_.node(id).is_running(); };
      if (std::none_of(state->isr.begin(), state->isr.end(), has_all)) return false;
    }
  }
  return true;
}

void Faults::go_down(SimNode& node) {
  if (!node.is_running()) return;
  auto& random = cluster_.world().random;
  constexpr How kHow[] = {How::power, How::power, How::killed, How::in_a_call, How::asked};
  const How how = kHow[random.below(std::size(kHow))];
  if (!may_go_down(how, node)) return;
  switch (how) {
    case How::power:
      node.lose_power();
      break;
    case How::killed:
      node.crash("killed");
      break;
    case How::in_a_call:
      node.die_at_call(random.below(60));
      break;
    case How::asked:
      node.stop();
  }
  come_back(node, cluster_.within(50, 4000));
}

void Faults::come_back(SimNode& node, Duration after) {
  cluster_.world().later(after, [this, &node] {
    if (!node.is_running()) return node.start();
    if (node.is_stopping() || node.is_doomed()) come_back(node, milliseconds(500));
  });
}

void Faults::block(SimNode& from, SimNode& to, bool both) {
  if (&from == &to) return;
  World& world = cluster_.world();
  world.trace.count("partitions of the network");
  world.trace.line("nothing passes from " + from.name() + " to " + to.name() + (both ? " and back" : ""));
  const auto set = [&world, a = from.id(), b = to.id(), both](bool blocked) {
    for (const auto& [x, y] : {std::pair(a, b), std::pair(b, a)}) {
      if (x == b && !both) continue;
      if (blocked) {
        world.links.block(x, y);
        world.peers.block(x, y);
      } else {
        world.links.unblock(x, y);
        world.peers.unblock(x, y);
      }
    }
  };
  set(true);
  world.later(cluster_.within(100, 4000), [set] { set(false); });
}

void Faults::bad_weather() {
  World& world = cluster_.world();
  world.trace.count("bad weather");
  world.links.set_weather(5 + world.random.below(20), 5 + world.random.below(20), 2 + world.random.below(10));
  world.links.set_delay_max(cluster_.within(1, 200));
  world.peers.set_delay_max(cluster_.within(1, 100));
  world.peers.set_damage(20);
  world.later(cluster_.within(100, 2000), [this, &world] {
    if (ended_) return;
    world.links.set_weather(100, 100, 50);
    world.links.set_delay_max(milliseconds(3));
    world.peers.set_delay_max(milliseconds(3));
    world.peers.set_damage(0);
  });
}

void Faults::slow_disk(SimNode& node) {
  World& world = cluster_.world();
  world.trace.count("slow disks");
  node.slow_down(microseconds(world.random.below(2000) + 1), cluster_.within(1, 100));
  world.later(cluster_.within(200, 3000), [&node] { node.slow_down({}, {}); });
}

// What cannot be written is refused, and a metadata log that cannot be written ends the process.
void Faults::full_disk(SimNode& node) {
  World& world = cluster_.world();
  world.trace.count("full disks");
  world.trace.line("the disk of " + node.name() + " is full");
  node.fill_disk(world.random.below(2000));
  world.later(cluster_.within(50, 3000), [this, &node] {
    node.empty_disk();
    if (!node.is_running()) node.start();
  });
}

void Faults::cut_clients(SimNode& node) {
  World& world = cluster_.world();
  world.trace.count("clients cut off");
  cluster_.cut_clients(node.id(), world.random.chance(2));
}

void Faults::turn_clock(SimNode& node) {
  World& world = cluster_.world();
  world.trace.count("clock changes");
  node.clock().set_wall_off(cluster_.within(-100'000, 100'000).count() / 1'000'000);
  if (!node.is_running()) node.clock().set_drift(static_cast<int64_t>(world.random.below(40'000)) - 20'000);
}

void Faults::move_leaders() {
  SimNode* controller = cluster_.controller();
  if (controller == nullptr) return;
  cluster_.world().trace.count("preferred elections asked for");
  controller->run()->quorum()->host().controller()->elect_leaders({}, [](const auto&) {});
}

void Faults::reassign() {
  SimNode* controller = cluster_.controller();
  if (controller == nullptr || cluster_.topics().empty()) return;
  World& world = cluster_.world();
  const SimTopic& topic = cluster_.topics()[world.random.below(cluster_.topics().size())];
  const auto p = static_cast<int32_t>(world.random.below(static_cast<uint64_t>(topic.partitions)));
  std::vector<BrokerId> replicas;
  for (const auto& node : cluster_.nodes()) replicas.push_back(node->id());
  for (size_t i = replicas.size(); i > 1; --i) std::swap(replicas[i - 1], replicas[world.random.below(i)]);
  replicas.resize(std::min<size_t>(replicas.size(), static_cast<size_t>(topic.replication)));
  metadata::AlterReassignments command;
  command.partitions.push_back({.partition = {topic.name, PartitionIndex{p}}, .replicas = replicas});
  if (world.random.chance(5)) command.partitions.back().replicas.reset();
  world.trace.count("reassignments asked for");
  controller->run()->quorum()->host().controller()->alter_reassignments(std::move(command), [](const auto&) {});
}

// A broker that follows the log gets a vote, or one that votes loses it.
void Faults::change_voters() {
  SimNode* controller = cluster_.controller();
  if (controller == nullptr) return;
  control::MetadataQuorum& quorum = *controller->run()->quorum();
  const Result<control::QuorumDescription> now = quorum.describe();
  if (!now || now->replicas.empty()) return;
  World& world = cluster_.world();
  const control::QuorumReplica& chosen = now->replicas[world.random.below(now->replicas.size())];
  const auto change = chosen.kind == control::QuorumReplica::Kind::observer ? &control::QuorumMembership::add_voter
                                                                            : &control::QuorumMembership::remove_voter;
  world.trace.count("changes of the quorum asked for");
  (quorum.*change)(chosen.name, milliseconds(3000), [&world](const Result<Unit>& done) {
    if (done) world.trace.count("changes of the quorum made");
  });
}

// Few names, so that brokers come back to topics that have been made anew meanwhile.
void Faults::make_or_delete_topic() {
  SimNode* controller = cluster_.controller();
  if (controller == nullptr) return;
  World& world = cluster_.world();
  const std::string name = "passing-" + std::to_string(world.random.below(3));
  metadata::Controller& asked = *controller->run()->quorum()->host().controller();
  if (cluster_.image().find_topic(name) != nullptr) {
    world.trace.count("topics deleted");
    return asked.delete_topics({.topics = {name}}, [](const auto&) {});
  }
  world.trace.count("topics made");
  metadata::NewTopic topic{.name = name, .partitions = 2, .replication_factor = 3};
  asked.create_topics({.topics = {std::move(topic)}}, [](const auto&) {});
}

// What a full disk has ended and nothing else starts again.
void Faults::start_again() {
  for (const auto& node : cluster_.nodes()) {
    if (!node->is_running()) node->start();
  }
}

void Faults::end() {
  ended_ = true;
  World& world = cluster_.world();
  world.links.set_weather(0, 0, 0);
  world.links.set_delay_max(milliseconds(3));
  world.peers.set_delay_max(milliseconds(3));
  world.peers.set_damage(0);
  world.peers.set_break(0);
  for (const auto& a : cluster_.nodes()) {
    a->slow_down({}, {});
    a->empty_disk();
    a->spare();
    for (const auto& b : cluster_.nodes()) {
      world.links.unblock(a->id(), b->id());
      world.peers.unblock(a->id(), b->id());
    }
  }
  start_again();
  world.later(milliseconds(1), [this] { start_again(); });  // whoever was ending
}

}  // namespace millrace::sim
