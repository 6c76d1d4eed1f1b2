#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>

#include "broker/base/clock.h"
#include "broker/control/quorum_membership.h"
#include "broker/io/event_loop.h"
#include "broker/raft/node/node.h"

namespace millrace::control {

inline constexpr size_t kVoterChangesMax = 64;                       // under way; one more is `overloaded`
inline constexpr std::chrono::milliseconds kVoterChangePause{50};    // before what could not be done yet is tried again
inline constexpr std::chrono::milliseconds kVoterSilenceMax{1'000};  // a voter that was heard from later is live
inline constexpr std::chrono::milliseconds kVoterTimeoutMax{600'000};  // longer ones are taken for this one

// All of it is borrowed and outlives the changes.
struct VoterChangesOptions {
  io::EventLoop* loop = nullptr;  // the quorum's apply loop
  const Clock* clock = nullptr;
  std::function<raft::NodeStatus()> status;
  // As raft::Node::change_members(); answers on the loop.
  std::function<void(raft::ChangeMembers::Kind, const raft::Member&, raft::Node::ChangeDone)> change;
  std::function<metadata::ImagePointer()> image;
};

// Takes one change of the quorum's voters through its steps: QuorumMembership says what they promise. A voter is added
// as a learner and promoted once it has everything; when time runs out, the learner is removed again. Everything on the
// loop; `done` is called there, never from within add() or remove().
class VoterChanges {
 public:
  using Done = std::function<void(Status)>;

  explicit VoterChanges(VoterChangesOptions options);
  ~VoterChanges();  // after stop(), or when the loop has stopped

  void add(const QuorumMemberName& voter, Duration timeout, Done done);
  void remove(const QuorumMemberName& voter, Duration timeout, Done done);
  void stop();  // answers shutting_down to whoever waits

 private:
  struct Change;
  using Step = void (VoterChanges::*)(const std::shared_ptr<Change>&);
  void begin(const QuorumMemberName& voter, Duration timeout, Done done, Step step);
  void step(const std::shared_ptr<Change>& change);
  void step_later(const std::shared_ptr<Change>& change, std::string why);
  void step_add(const std::shared_ptr<Change>& change);
  void step_remove(const std::shared_ptr<Change>& change);
  void ask(const std::shared_ptr<Change>& change, raft::ChangeMembers::Kind kind, const raft::Member& member,
           bool is_last);
  void asked(const std::shared_ptr<Change>& change, raft::ChangeMembers::Kind kind, raft::Outcome outcome,
             bool is_last);
  void finish(const std::shared_ptr<Change>& change, Status outcome);
  Status check_registered(const raft::Member& member) const;
  Status check_majority_without(const raft::NodeStatus& status, const raft::Member& member) const;

  const VoterChangesOptions options_;
  std::list<std::shared_ptr<Change>> changes_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// What the leader of the quorum knows, as QuorumMembership::describe() tells it.
QuorumDescription describe_quorum(const raft::NodeStatus& status, const metadata::ClusterImage& image,
                                  const Clock& clock);

}  // namespace millrace::control
