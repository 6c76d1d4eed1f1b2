#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "broker/raft/core/core.h"

// Several cores in one thread: a network, disks and a clock that tests move. Every step checks what must hold at any
// time: one leader a term, equal logs up to equal entries, leaders that have everything committed, one sequence
// applied.
namespace millrace::raft::testing {

using std::chrono::milliseconds;

Member member(int node, int generation = 0);
std::vector<Member> members(int count);

// splitmix64 again, for what happens to the world.
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed) {}
  uint64_t next();
  uint64_t below(uint64_t bound) { return next() % bound; }
  bool one_in(uint64_t n) { return below(n) == 0; }

 private:
  uint64_t state_;
};

// What is on a node's disk, and what is still being written there.
struct Disk {
  HardState hard;
  SnapshotMeta snapshot;
  std::string image;  // what the snapshot says: the payloads, each with a line end
  Position base;
  std::vector<Entry> entries;  // after base
  Index last() const { return base.index.next(static_cast<int64_t>(entries.size())); }
  const Entry& at(Index index) const { return entries.at(static_cast<size_t>(index.value() - base.index.value() - 1)); }
  void compact(Position to, bool keep);
  Restored restored();
};
struct SnapshotTake {
  SnapshotMeta meta;
  std::string image;
};
using DiskWork = std::variant<HardStateWrite, LogWrite, SnapshotTake, LogCompaction, SnapshotWrite, SnapshotInstall>;
struct DiskJob {
  TimePoint due;
  DiskWork what;
};

struct Node {
  Member self;
  Options options;
  Disk disk;
  Disk view;  // the disk as it will be when all jobs are done
  std::deque<DiskJob> jobs;
  std::string incoming;               // temporary file of a snapshot
  std::unique_ptr<Core> core;         // none while the node is down
  std::vector<std::string> payloads;  // applied, in order
  Index applied;
  Index commit;                // the newest that was checked
  bool election_held = false;  // its election timer does not fire
  bool disk_held = false;      // jobs wait for finish_job()
  milliseconds disk_time{0};
};

struct Flight {
  uint64_t id;
  TimePoint due;
  Message message;
};

class World {
 public:
  explicit World(uint64_t seed = 1);

  // Set-up. `tune` may change a node's options before it starts.
  std::function<void(Options&)> tune;
  void start(int voters);
  void add_node(const Member& self, bool bootstrap, const Configuration& initial);

  Node& node(int at) { return nodes_.at(at); }
  Core& core(int at) { return *node(at).core; }
  std::map<int, Node>& nodes() { return nodes_; }
  bool up(int at) { return node(at).core != nullptr; }
  TimePoint now() const { return now_; }

  // Events.
  void feed(int at, decltype(Event::what) what);
  void tick(int at) { feed(at, Tick{}); }
  RequestId propose(int at, const std::vector<std::string>& payloads);
  RequestId propose(int at, const std::string& payload) { return propose(at, std::vector{payload}); }
  RequestId read(int at);  // checked: sees everything that was acknowledged before
  RequestId transfer(int at, std::optional<int> target = {});
  RequestId change(int at, ChangeMembers::Kind kind, const Member& who);
  // Proposes on whoever leads until it is done; false if it never is.
  bool change_until_done(ChangeMembers::Kind kind, const Member& who);
  void take_snapshot(int at);
  void finish_job(int at);
  void crash(int at);  // what is not durable may be lost, from the end
  void restart(int at);
  void lose_disk(int at);  // the node comes back with another directory, and nothing in it

  // The network. A cut link loses what is on it; held messages stay until they are let go.
  void cut(int a, int b);
  void isolate(int a);
  void heal();
  void heal(int a, int b) { cuts_.erase(std::minmax(a, b)); }
  std::function<bool(const Message&)> hold;
  std::deque<Flight>& wire() { return wire_; }
  // Delivers the oldest message on the wire that satisfies `which`; false without one.
  bool deliver(const std::function<bool(const Message&)>& which);
  size_t sent_bytes = 0;  // of entries
  size_t sent_messages = 0;
  size_t rejects = 0;
  size_t installed = 0;  // snapshots

  // Time passes in milliseconds: due jobs, messages and ticks happen.
  void run(milliseconds time);
  bool run_until(const std::function<bool()>& condition, milliseconds time_max = milliseconds(20'000));

  // Elections as the schedules want them: only that node's timer may fire.
  bool elect(int at);
  int leader() const;  // of the newest term among those that are up; -1 without one

  std::optional<Answer> answer(RequestId request) const;
  bool succeeded(RequestId request) const;
  bool has_applied(int at, const std::string& payload) const;

  // What may go wrong by itself while time passes, in messages of 1000.
  struct Faults {
    uint64_t drop = 0, duplicate = 0;
    milliseconds delay_max{0};
  } faults;
  Dice dice;
  uint64_t seed() const { return seed_; }
  void check_logs();  // the costly check: every pair of logs agrees up to the newest common entry

 private:
  void take(int at, Output output);
  void apply(int at, const Apply& apply);
  void apply_entry(Node& node, Index index, const Entry& entry);
  void take_snapshot_work(int at, Output& output);
  void load(Node& node);
  void start_job(Node& node, DiskWork what);
  static void write(Disk& disk, const DiskWork& what, size_t entries_max, const std::string& incoming);
  void check(int at);
  bool holds(const Member& who, Position entry) const;
  void send(Message message);

  const uint64_t seed_;
  TimePoint now_{milliseconds(1)};
  std::map<int, Node> nodes_;
  std::deque<Flight> wire_;
  std::set<std::pair<int, int>> cuts_;
  uint64_t flights_ = 0;
  uint64_t requests_ = 0;
  std::map<RequestId, Answer> answers_;
  std::map<RequestId, std::vector<std::string>> proposed_;
  std::map<RequestId, Index> reads_;  // what they have to see
  Index acknowledged_;
  std::set<Member> lost_;  // whose disk is gone
  std::map<Term, Member> leaders_;
  std::map<Index, Entry> committed_;  // by anybody, ever
};

}  // namespace millrace::raft::testing
