#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "broker/base/mutex.h"
#include "broker/coordinator/decisions.h"
#include "broker/coordinator/group_coordinator.h"
#include "broker/machine/runner.h"

namespace millrace::coordinator {

// What the log's error means to a client that waits for a coordinator.
GroupErrc errc_of(const Error& error);

// The machine of one partition of __consumer_offsets, with the replies that wait in it and its alarm. Thread-safe. Kept
// alive by GroupCoordinator, by commands in progress and, weakly, by timers.
class GroupShard : public std::enable_shared_from_this<GroupShard> {
 public:
  template <class Reply>
  using Done = std::function<void(Reply)>;

  GroupShard(const GroupCoordinatorOptions& options, PartitionIndex partition, Groups groups, Offset next,
             std::shared_ptr<machine::LogWriter> log);
  ~GroupShard();
  void start();  // timers

  void join(JoinCommand command, Done<JoinReply> done);
  void sync(SyncCommand command, Done<SyncReply> done);
  void heartbeat(HeartbeatCommand command, Done<GroupErrc> done);
  void leave(LeaveCommand command, Done<LeaveReply> done);
  void commit_offsets(CommitCommand command, Done<CommitReply> done);
  void fetch_offsets(FetchOffsetsCommand command, Done<FetchOffsetsReply> done);
  void list(ListCommand command, Done<ListReply> done);
  void describe(std::string group, Done<GroupDescription> done);
  void remove(std::string group, Done<GroupErrc> done);

  bool failed() const { return runner_.failed(); }
  // Answers everything that waits with not_coordinator and returns when no thread is in the machine.
  void stop();

 private:
  using Pointer = std::shared_ptr<GroupShard>;

  // An operation whose answer waits for the log. Answered once: by the commit, or when its time is over.
  struct Unanswered {
    virtual ~Unanswered() = default;
    virtual void give_up() = 0;
    bool take() { return !answered.exchange(true); }
    std::atomic<bool> answered{false};
  };
  template <class Reply, class Fail>
  struct Operation;

  template <class Reply, class Decide, class Fail>
  void run(Decide decide, Fail fail, Done<Reply> done);
  void carry_out(Effects effects);
  void give_up_in_time(std::shared_ptr<Unanswered> operation);
  void wait_until(TimePoint at);
  void give_up_overdue();
  void arm(TimePoint at);
  void ring();
  void arm_expiry();
  void expire(std::optional<std::string> after);
  ReplyToken park(Done<JoinReply> done);
  ReplyToken park(Done<SyncReply> done);
  void release(ReplyToken token, JoinReply reply);
  void release(ReplyToken token, SyncReply reply);
  enum class AndThen { go_on, close };
  void release_all(GroupErrc error, AndThen then);

  const GroupCoordinatorOptions& options_;
  const PartitionIndex partition_;
  const std::shared_ptr<machine::LogWriter> log_;
  const GroupConfig config_;

  Mutex mutex_;  // nothing is called with it held
  ReplyToken last_token_ GUARDED_BY(mutex_) = 0;
  std::optional<GroupErrc> closed_ GUARDED_BY(mutex_);  // nothing waits from then on
  std::unordered_map<ReplyToken, Done<JoinReply>> joins_ GUARDED_BY(mutex_);
  std::unordered_map<ReplyToken, Done<SyncReply>> syncs_ GUARDED_BY(mutex_);
  std::optional<TimePoint> armed_ GUARDED_BY(mutex_);
  struct Overdue {
    TimePoint at;
    std::shared_ptr<Unanswered> operation;
  };
  std::deque<Overdue> unanswered_ GUARDED_BY(mutex_);  // by time; bounded by the runner's queue, but for answered ones
  bool is_waiting_ GUARDED_BY(mutex_) = false;         // a timer is set for the first of them

  machine::Runner<Groups> runner_;
};

}  // namespace millrace::coordinator
