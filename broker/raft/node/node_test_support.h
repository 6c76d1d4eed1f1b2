#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "broker/io/sim/sim_clock.h"
#include "broker/io/sim/sim_event_loop.h"
#include "broker/io/sim/sim_file_system.h"
#include "broker/raft/node/node.h"

// Nodes with their disks, loops and machines in virtual time, and a network between them that tests cut. What must hold
// at any time is checked as it happens: one sequence applied, each entry once and in order; one leader and one vote of
// each member in a term; nothing sent after an error; a leader that is told so has everything committed before.
namespace millrace::raft::testing {

using std::chrono::milliseconds;

class World;

// Keeps the payloads. Its image is one line for each.
class LineMachine final : public StateMachine {
 public:
  LineMachine(World& world, int at) : world_(world), at_(at) {}
  void apply(Index index, const Entry& entry) override;
  std::unique_ptr<SnapshotSource> snapshot() override;
  Status load(const SnapshotMeta& meta, SnapshotReader& image) override;
  void on_leadership(const RoleState& state) override;

  Index applied;
  std::vector<std::string> lines;
  RoleState told;
  int loads = 0;
  Errc load_error = Errc::io;
  bool load_fails = false;

 private:
  World& world_;
  const int at_;
};

// Tasks run after a while, in order: a disk that takes its time.
class SlowLoop final : public io::EventLoop {
 public:
  SlowLoop(io::sim::SimEventLoop& loop, io::sim::SimRandom& random) : loop_(loop), random_(random) {}
  void post(std::function<void()> task) override;
  bool is_current() const override { return loop_.is_current(); }
  io::TimerId run_after(Duration delay, std::function<void()> task) override {
    return loop_.run_after(delay, std::move(task));
  }
  void cancel(io::TimerId timer) override { loop_.cancel(timer); }
  Duration delay_max{0};
  bool held = false;  // nothing runs until release()
  void release();
  void forget() { tasks_.clear(); }

 private:
  void run_one();
  io::sim::SimEventLoop& loop_;
  io::sim::SimRandom& random_;
  std::deque<std::function<void()>> tasks_;
};

class Wire final : public Transport {
 public:
  Wire(World& world, int from) : world_(world), from_(from) {}
  void send(Message message) override;
  void send(Introduction introduction) override;

 private:
  World& world_;
  const int from_;
};

// One machine with its disk; the node on it comes and goes.
struct Peer {
  Member self;
  std::vector<NodeId> initial_voters;
  std::unique_ptr<io::sim::SimFileSystem> disk;
  std::unique_ptr<io::sim::SimEventLoop> driver_loop, disk_loop, apply_loop;
  std::unique_ptr<SlowLoop> slow;
  std::unique_ptr<Wire> wire;
  std::unique_ptr<LineMachine> machine;
  std::unique_ptr<Node> node;  // none while it is down
  std::optional<Error> fatal;
  Duration disk_delay{0};
};

struct Asked {
  std::vector<std::string> payloads;
  std::optional<Result<Index>> answer;
};

class World {
 public:
  explicit World(uint64_t seed);
  ~World();

  std::function<void(NodeOptions&)> tune;
  // Makes nodes 1 to `count`, the voters of a new cluster.
  void start(int count);
  void add(int at, std::vector<NodeId> initial_voters);
  void open(int at);
  Status try_open(int at);
  void crash(int at, bool power);
  void restart(int at) { crash(at, false), open(at); }
  void lose_disk(int at);  // the machine comes back, empty, under another directory id
  void stop(int at);

  Peer& peer(int at) { return *peers_.at(at); }
  bool up(int at) { return peer(at).node != nullptr && !peer(at).fatal; }
  std::map<int, std::unique_ptr<Peer>>& peers() { return peers_; }
  LineMachine& machine(int at) { return *peer(at).machine; }
  NodeStatus status(int at) { return peer(at).node->status(); }

  // The node that was told that it leads the newest term; 0 without one.
  int leader();
  std::shared_ptr<Asked> propose(int at, std::vector<std::string> payloads);
  std::shared_ptr<std::optional<Outcome>> change(int at, ChangeMembers::Kind kind, const Member& member);
  std::shared_ptr<std::optional<Outcome>> transfer(int at, std::optional<NodeId> target);
  std::shared_ptr<Asked> read(int at);
  // Until it is acknowledged, by whoever leads by then; the index.
  Index commit(const std::string& payload);
  void change_until_done(ChangeMembers::Kind kind, const Member& member);

  void cut(int a, int b) { cuts_.insert(std::minmax(a, b)); }
  void isolate(int at);
  void heal() { cuts_.clear(); }
  void run(milliseconds time) { scheduler_.run_for(time); }
  bool run_until(const std::function<bool()>& done, milliseconds limit = milliseconds(20'000)) {
    return scheduler_.run_until(done, limit);
  }
  bool has_applied(int at, Index index) { return up(at) && machine(at).applied >= index; }

  uint64_t seed() const { return seed_; }
  io::sim::SimRandom& dice() { return scheduler_.random(); }
  io::sim::SimClock& clock() { return clock_; }
  int faults_drop = 0;  // of 1000 messages
  milliseconds delay_max{3};
  std::function<bool(const Message&)> drop;  // messages that are lost
  uint64_t messages = 0;
  Index acknowledged;  // highest index that was

 private:
  friend class LineMachine;
  friend class Wire;
  void note_sent(const Message& message);
  void note_applied(int at, Index index, const Entry& entry);
  void note_leader(Term term, const Member& leader);
  bool loses(int from, int to);
  void later(std::function<void()> task);

  const uint64_t seed_;
  io::sim::SimClock clock_;
  io::sim::SimScheduler scheduler_;
  std::unique_ptr<io::sim::SimEventLoop> network_;
  std::map<int, std::unique_ptr<Peer>> peers_;
  std::map<int, uint64_t> generations_;
  std::set<std::pair<int, int>> cuts_;
  std::map<Index, Entry> committed_;
  std::map<Term, Member> leaders_;
  std::map<std::pair<Member, Term>, Member> votes_;
  std::map<std::pair<int, Term>, uint64_t> attempts_;
};

}  // namespace millrace::raft::testing
