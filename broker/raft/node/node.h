#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/base/clock.h"
#include "broker/io/event_loop.h"
#include "broker/raft/core/event.h"
#include "broker/raft/core/options.h"
#include "broker/raft/core/role.h"
#include "broker/raft/node/node_metrics.h"
#include "broker/raft/node/state_machine.h"
#include "broker/raft/node/store.h"
#include "broker/raft/node/transport.h"

namespace millrace::raft {

struct NodeParts;

struct NodeOptions {
  Options core;        // its `self` is the node's, `contacts` whom it may ask for the leader
  StoreOptions store;  // its `self` is taken from there
  std::string cluster;
  // Voters that begin a new cluster together; empty for a node that joins one. Meaningless once there is state. All of
  // them, and all contacts of the one with the lowest id, have to be there for it: keep the contacts up to date, or
  // that node begins another cluster should it lose its disk.
  std::vector<NodeId> initial_voters;

  Clock* clock = nullptr;
  Transport* transport = nullptr;
  StateMachine* machine = nullptr;
  io::EventLoop* driver_loop = nullptr;  // never waits
  io::EventLoop* disk_loop = nullptr;    // waits for the disk; nothing else may run there that is in a hurry
  io::EventLoop* apply_loop = nullptr;   // the machine's
  // The node has ended by an error: what its disk holds is not known any more, or the machine cannot go on. Called
  // once, on the disk or the apply loop; nothing was or will be sent, written or applied after that. The process has to
  // end.
  std::function<void(const Error&)> on_fatal;

  int64_t snapshot_entries = 10'000;        // applied since the last snapshot before another is made
  uint64_t snapshot_bytes = 64u << 20;      // likewise, of their payloads
  size_t snapshot_piece_bytes = 256 << 10;  // taken from the machine and written at once
  size_t inbox_messages_max = 10'000;       // received and not handled; more are lost
  size_t inbox_bytes_max = 64u << 20;       // likewise, of their payloads
  size_t requests_max = 100'000;            // proposals and reads that wait for an answer; one more is `overloaded`
  Duration introduction_interval = std::chrono::milliseconds(200);
};

// What DescribeQuorum and metrics show. Followers are known to a leader only.
struct NodeStatus {
  struct Follower {
    enum class Kind : uint8_t { voter, learner, observer };  // an observer is in no configuration
    Member member;
    Kind kind = Kind::observer;
    Index match;          // durable there
    TimePoint heard;      // last contact
    TimePoint caught_up;  // when it last had everything
    Progress::Mode mode = Progress::Mode::probe;
  };
  RoleState state;
  Index commit;
  Index applied;
  Index last;
  Index snapshot;  // last entry in this node's snapshot
  Index configuration_at;
  Configuration configuration;      // committed or not
  std::vector<Follower> followers;  // by member
  TimePoint as_of;                  // of the followers
  uint64_t messages_dropped = 0;    // that came while the inbox was full
};

// On behalf of which state something is proposed. Once a proposal was refused, later ones with the same tenure, which
// may rest on it, are refused as well; whoever proposes then goes on with the next attempt.
struct Tenure {
  Term term;  // in which on_leadership() said that this node leads
  uint64_t attempt = 0;
  friend auto operator<=>(const Tenure&, const Tenure&) = default;
};

// One member of the metadata quorum, or one that follows its log: the core of raft/core with its disk, its machine and
// its clock. Thread-safe. Callbacks (`done`) run on the apply loop, where the machine then holds at least what they
// speak of. Loops, transport, machine and clock outlive it, and so does whatever callbacks capture until stop() is
// done.
//
// What goes on where, and what a start, an error and a new cluster mean: README.md.
class Node {
 public:
  using Done = std::function<void(Result<Index>)>;
  using ChangeDone = std::function<void(Outcome)>;

  // Reads the disk, on the calling thread, and goes to work. Errors: those of Store::open().
  static Result<std::unique_ptr<Node>> open(NodeOptions options);
  // After stop(), or once none of its loops runs any more: that is a crash.
  ~Node();

  void deliver(Message message);
  void deliver(Introduction introduction);

  // Appends entries as one batch. Answered with the index of the last one once all are applied here. Errors: nothing
  // happened: not_controller (this node does not lead in that term, or hands over), conflict (an earlier one of that
  // tenure was refused), overloaded, message_too_large, shutting_down; outcome_unknown: it may happen yet, or not.
  void propose(Tenure tenure, std::vector<Bytes> payloads, Done done);
  // Answered when the machine holds everything that was acknowledged anywhere before this call. Errors: not_controller
  // (no leader answers), overloaded, shutting_down.
  void read(Done done);

  void transfer_leadership(std::optional<NodeId> target, ChangeDone done);
  void change_members(ChangeMembers::Kind kind, const Member& member, ChangeDone done);

  NodeStatus status() const;
  const NodeMetrics& metrics() const;

  // Takes nothing more, finishes what the disk was given, answers whoever waits (outcome_unknown, or shutting_down),
  // and then calls `done` on the apply loop. Hand leadership over first.
  void stop(std::function<void()> done);

 private:
  explicit Node(std::shared_ptr<NodeParts> parts);
  const std::shared_ptr<NodeParts> parts_;
};

}  // namespace millrace::raft
