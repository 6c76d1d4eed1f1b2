#pragma once

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "broker/raft/core/configuration.h"
#include "broker/raft/core/durable_end.h"
#include "broker/raft/core/event.h"
#include "broker/raft/core/log_view.h"
#include "broker/raft/core/options.h"
#include "broker/raft/core/output.h"
#include "broker/raft/core/restored.h"
#include "broker/raft/core/role.h"

namespace millrace::raft {

// One member of a quorum, as a pure function: events in, outputs out, and nothing else. Owned by its driver, used by
// one thread at a time, never re-entered. What peers send wrongly is ignored like a lost message; what only a bug can
// break is an ENSURE. What the driver owes: README.md. The algorithm: Ongaro, "Consensus: Bridging Theory and
// Practice", 2014.
class Core {
 public:
  // `now` starts the clock: elections are held back for one timeout from there.
  Core(const Options& options, const Restored& restored, TimePoint now);

  Output step(Event event);

  const RoleState& state() const { return reported_; }
  Index commit() const { return commit_; }
  Index applied() const { return applied_; }
  Index durable() const { return durable_.index(); }
  // A snapshot of the leader takes the place of log and machine.
  bool installing() const { return incoming_ && incoming_->installing; }
  const LogView& log() const { return log_; }
  const HardState& hard_state() const { return hard_; }
  const Configuration& configuration() const { return configurations_.newest(); }
  Index configuration_index() const { return configurations_.newest_index(); }
  const SnapshotMeta& snapshot() const { return snapshot_; }
  // What a snapshot of the machine would cover now, or at an applied `index` that is not older than the newest
  // snapshot.
  SnapshotMeta describe(Index index) const;
  // Null unless this is the leader and `member` receives its log.
  const Progress* progress_of(const Member& member) const;
  const ProgressMap* followers() const;  // likewise, everyone, observers included

 private:
  struct Proposal {
    RequestId request;
    Index last;
    size_t bytes;
  };
  // A snapshot that the leader sends. While it is being installed the log is neither the old nor the new one: nothing
  // is appended, no vote is given and none is asked for.
  struct Incoming {
    SnapshotMeta meta;
    Term term;
    Member leader;
    uint64_t expected = 0;
    uint64_t written = 0;
    bool complete = false;
    bool installing = false;
    bool keep_log = false;
  };
  struct ReadWaiting {
    RequestId request;
    Index index;
  };
  struct Held {
    WriteSequence needs;
    Message message;
  };

  // core.cc: events, messages, roles.
  void on(Tick);
  void on(Received& event);
  void on(HardStateDurable event);
  void send(const Member& to, MessageBody body);
  void set_hard_state(HardState state);
  void adopt(Term term);
  void become_follower(std::optional<Member> leader);
  void hear_leader(const Member& leader);
  void answer(RequestId request, Outcome outcome, Index index = {}) {
    out_.answers.push_back({request, outcome, index});
  }
  void report();
  RoleState current_state() const;
  bool is_self(const Member& member) const { return member == options_.self; }
  Leader* leader() { return std::get_if<Leader>(&role_); }
  // core_election.cc
  void restart_election_timer();
  bool may_campaign() const;
  bool heard_leader_lately() const;
  void on_election_timeout();
  void pre_campaign();
  void campaign(bool transfer);
  void ask_for_votes(Term election, bool pre, bool transfer);
  bool won(const std::map<Member, bool>& votes) const;
  void on_vote_request(const Member& from, Term term, const VoteRequest& request);
  void on_vote_reply(const Member& from, const VoteReply& reply);
  void count_own_vote();
  void become_leader();
  void check_quorum();
  Position durable_position() const;
  // core_append.cc: what a follower does with its leader's log.
  void on_append_request(const Member& from, AppendRequest& request);
  void reject_append(const Member& to, const AppendRequest& request);
  void confirm_append(const Member& to, HeartbeatRound round, Index verified);
  void append_entries(Index keeps, std::vector<Entry> entries);
  void on(LogDurable event);
  // core_replicate.cc: what a leader does for its followers.
  void on(Propose& event);
  void on(EntriesRead& event);
  void on_append_reply(const Member& from, const AppendReply& reply);
  void on_reject(Progress& progress, const AppendReply& reply);
  void follow_configuration();
  void heartbeat();
  void send_to_all();
  void send_entries(const Member& to, Progress& progress);
  void send_append(const Member& to, Progress& progress, std::vector<Entry> entries);
  void send_empty(const Member& to, Progress& progress);
  // core_snapshot.cc
  void on(SnapshotTaken& event);
  void on(SnapshotChunkRead& event);
  void on(SnapshotChunkWritten event);
  void on(SnapshotInstalled event);
  void begin_snapshot(const Member& to, Progress& progress);
  void send_snapshot(const Member& to, Progress& progress);
  void resume_snapshot(const Member& to, Progress& progress);
  void on_snapshot_reply(const Member& from, const SnapshotReply& reply);
  void on_snapshot_chunk(const Member& from, SnapshotChunk& chunk);
  void reply_snapshot(const Member& to, Position snapshot, uint64_t received);
  void reply_installed(const Member& to, Position snapshot);
  void install_if_complete();
  // core_read.cc
  void on(Read event);
  void on_read_request(const Member& from, RequestId request);
  void on_read_reply(const ReadIndexReply& reply);
  void add_read(std::optional<Member> from, RequestId request);
  void start_reads();
  void confirm_round();
  bool has_lease() const;
  void release_read(const PendingRead& read);
  void answer_reads();
  void give_up_reads(bool all);
  void lose_reads();
  // core_membership.cc: configurations, leadership transfer, who follows.
  void on(ChangeMembers event);
  std::optional<Outcome> change(ChangeMembers event, Configuration& configuration) const;
  bool caught_up(const Member& member) const;
  void leave_if_removed();
  std::optional<Member> most_of_the_log(std::optional<NodeId> only) const;
  void on(TransferLeadership event);
  void advance_transfer();
  void end_transfer(Outcome outcome);
  void on_timeout_now(const Member& from);
  void ask_to_follow();
  void on_follow_request(const Member& from);
  void on_follow_reply(const FollowReply& reply);
  void forget_silent_observers();
  // core_commit.cc
  void on(Applied event);
  void advance_commit();
  void commit_to(Index index);
  void hand_out_entries();
  void answer_applied();
  void lose_proposals();

  const Options options_;
  HardState hard_;
  WriteSequence hard_issued_;   // newest hard state that was asked to be written
  WriteSequence hard_durable_;  // newest that is
  std::deque<Held> held_;       // messages that depend on a hard state that is not durable yet
  LogView log_;
  SnapshotMeta snapshot_;  // this node's newest
  std::optional<Incoming> incoming_;
  ConfigurationList configurations_;
  DurableEnd durable_;
  WriteSequence log_issued_;
  Index commit_;
  Index applied_;
  Index handed_out_;  // to be applied by the driver
  RoleData role_;
  RoleState reported_;
  std::deque<Proposal> proposals_;  // appended by this leader and not answered, by index
  size_t proposal_bytes_ = 0;
  std::deque<std::pair<RequestId, TimePoint>> forwarded_reads_;  // asked of the leader, and when that is given up
  std::vector<ReadWaiting> confirmed_reads_;                     // wait for what they have to see to be applied

  TimePoint now_;
  TimePoint leader_heard_;  // when a leader was last heard of
  TimePoint election_due_;
  uint64_t jitter_state_;
  uint64_t follow_turn_ = 0;    // whom to ask next
  bool hint_followed_ = false;  // one hint at who leads is followed in one election timeout
  Output out_;
};

}  // namespace millrace::raft
