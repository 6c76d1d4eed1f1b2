#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/base/logger.h"
#include "broker/base/mutex.h"
#include "broker/base/uuid.h"
#include "broker/coordinator/commands.h"
#include "broker/coordinator/coordinator_config.h"
#include "broker/coordinator/coordinator_metrics.h"
#include "broker/coordinator/groups.h"
#include "broker/coordinator/timers.h"
#include "broker/machine/log_writer.h"

namespace millrace::coordinator {

class GroupShard;

struct GroupCoordinatorOptions {
  const Clock* clock = nullptr;
  Timers* timers = nullptr;
  CoordinatorMetrics* metrics = nullptr;
  GroupConfig config;
  std::function<Uuid()> new_uuid;  // random, for member ids; any thread
  // An append to the partition failed: what waited was answered, requests get coordinator_load_in_progress until the
  // owner has closed the writer, replayed the log and called finish_load() again (or unload()). Must not call back
  // before it returns; may come on any thread.
  std::function<void(PartitionIndex, const Error&)> on_failed;
};

// The groups of the partitions of __consumer_offsets that this broker leads. Handlers ask; the owner (app/) follows
// leadership with begin_load(), finish_load() and unload(). All of it is thread-safe; `done` is called exactly once, on
// any thread, possibly before the call returns, with what was decided after it is committed to the partition. It must
// not block.
//
// Coordinator errors, of every operation: not_coordinator, coordinator_load_in_progress, coordinator_not_available (no
// topic any more, too much waits, or the log could not take it: retry).
class GroupCoordinator {
 public:
  template <class Reply>
  using Done = std::function<void(Reply)>;

  explicit GroupCoordinator(GroupCoordinatorOptions options);
  ~GroupCoordinator();
  GroupCoordinator(const GroupCoordinator&) = delete;
  GroupCoordinator& operator=(const GroupCoordinator&) = delete;

  // new_member_id and token of the command are filled in here.
  void join(JoinCommand command, Done<JoinReply> done);
  void sync(SyncCommand command, Done<SyncReply> done);
  void heartbeat(HeartbeatCommand command, Done<GroupErrc> done);
  void leave(LeaveCommand command, Done<LeaveReply> done);
  void commit_offsets(CommitCommand command, Done<CommitReply> done);
  void fetch_offsets(FetchOffsetsCommand command, Done<FetchOffsetsReply> done);
  void list(ListCommand command, Done<ListReply> done);  // of all partitions led here
  void describe(std::string group, Done<GroupDescription> done);
  void remove(std::string group, Done<GroupErrc> done);

  // How many partitions __consumer_offsets has; 0 until it exists.
  void set_partitions(int32_t count);
  int32_t partitions() const;
  // From now on the partition is ours; requests for it are answered coordinator_load_in_progress.
  void begin_load(PartitionIndex partition);
  // `groups` has had every record of the log applied; `next` is the log's end. Serves from now on.
  void finish_load(PartitionIndex partition, Groups groups, Offset next, std::shared_ptr<machine::LogWriter> log);
  // No longer ours: waiting requests are answered not_coordinator. Close the log writer before. Not from a reply.
  void unload(PartitionIndex partition);
  // All of them, for ever.
  void stop();

  const GroupConfig& config() const { return options_.config; }

 private:
  using ShardPointer = std::shared_ptr<GroupShard>;

  // The shard of a group, or why there is none.
  std::pair<ShardPointer, GroupErrc> find(std::string_view group) const;

  const GroupCoordinatorOptions options_;
  mutable Mutex mutex_;  // nothing is called with it held
  int32_t partitions_ GUARDED_BY(mutex_) = 0;
  bool had_partitions_ GUARDED_BY(mutex_) = false;  // else a coordinator that is named by others waits for the image
  bool stopped_ GUARDED_BY(mutex_) = false;
  std::map<PartitionIndex, ShardPointer> shards_ GUARDED_BY(mutex_);  // null while it is loaded
};

}  // namespace millrace::coordinator
