#pragma once

#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "broker/base/mutex.h"
#include "broker/raft/core/core.h"
#include "broker/raft/node/introductions.h"
#include "broker/raft/node/node.h"

namespace millrace::raft {

// The part of a node that steps its core. Everything but status() runs on the driver loop, where others post it.
class Driver {
 public:
  using Answered = std::function<void(Outcome, Index)>;  // posted to the apply loop
  struct Proposal {
    Tenure tenure;
    std::vector<Bytes> payloads;
    Node::Done done;
  };

  Driver(NodeParts& parts, const Restored& restored);

  void start();
  void receive(const Introduction& introduction);
  // `admitted`: fewer than NodeOptions::requests_max wait.
  void propose(Proposal proposal, bool admitted);
  void read(Node::Done done, bool admitted);
  void transfer(std::optional<NodeId> target, Node::ChangeDone done);
  void change(ChangeMembers::Kind kind, const Member& member, Node::ChangeDone done);
  void stop(std::function<void()> done);

  // What disk and machine have done.
  void step(decltype(Event::what) what);
  void applied(Index last, uint64_t bytes);
  void snapshot_ended(const SnapshotMeta& meta, bool taken);
  void bootstrapped(const Restored& restored);
  void closed();

  NodeStatus status() const EXCLUDES(mutex_);

 private:
  void take(Output output);
  void give_to_disk(Output& output);
  void answer(const std::vector<Answer>& answers);
  void note_role(const RoleState& state);
  void tell_leadership();
  void begin_snapshot_if_due();
  void arm(TimePoint due);
  void send(Message message);
  void publish(bool followers) EXCLUDES(mutex_);
  void introduce();
  bool is_empty() const;
  bool idle() const;
  RequestId next_request(Answered done);
  void refuse_all();

  NodeParts& parts_;
  std::optional<Core> core_;
  Introductions introductions_;
  bool forming_ = false;  // the first entry is being written; there is no core worth asking meanwhile
  bool stopping_ = false;
  std::function<void()> stopped_;

  RequestId last_request_;
  std::unordered_map<RequestId, Answered> waiting_;
  std::optional<Tenure> broken_;  // newest tenure of which a proposal was refused

  struct Elected {
    RoleState state;
    Index no_op;
  };
  std::optional<Elected> elected_;  // the machine will be told when the term's first entry is applied
  RoleState told_;                  // what it knows

  bool applying_ = false;       // entries were handed out and are not known to be applied
  bool taking_ = false;         // a snapshot is being made
  uint64_t applied_bytes_ = 0;  // since the last snapshot began

  std::optional<io::TimerId> timer_;
  TimePoint timer_due_;
  std::map<Member, TimePoint> caught_up_;

  mutable Mutex mutex_;  // a leaf
  NodeStatus status_ GUARDED_BY(mutex_);
};

}  // namespace millrace::raft
