#include "broker/coordinator/group_shard.h"

#include <utility>

namespace millrace::coordinator {
namespace {

const Logger kLog("coordinator");
constexpr std::chrono::milliseconds kRingAgainAfter{100};

// Joins and syncs answer through the effects alone.
GroupDecision<GroupErrc> without_reply(GroupDecision<Unit> decided) {
  return {std::move(decided.records), {GroupErrc::none, std::move(decided.reply.effects)}, std::move(decided.also)};
}

}  // namespace

GroupErrc errc_of(const Error& error) {
  switch (error.code) {
    case Errc::message_too_large:
      return GroupErrc::unknown_server_error;
    case Errc::not_leader:
    case Errc::shutting_down:
    case Errc::storage_offline:
    case Errc::io:
    case Errc::disk_full:
    case Errc::fenced_leader_epoch:
      return GroupErrc::not_coordinator;
    default:
      return GroupErrc::coordinator_not_available;
  }
}

GroupShard::GroupShard(const GroupCoordinatorOptions& options, PartitionIndex partition, Groups groups, Offset next,
                       std::shared_ptr<machine::LogWriter> log)
    : options_(options),
      partition_(partition),
      log_(std::move(log)),
      config_(groups.config()),
      runner_(machine::RunnerOptions<Groups>{.log = log_.get(),
                                             .clock = options.clock,
                                             .limits = {},
                                             .state = std::move(groups),
                                             .next = next,
                                             .publication = {},
                                             .on_failed = [this](const Error& error) {
                                               options_.metrics->append_failures.add();
                                               release_all(errc_of(error));
                                               options_.on_failed(partition_, error);
                                             }}) {}

GroupShard::~GroupShard() { release_all(GroupErrc::not_coordinator); }

void GroupShard::start() {
  ring();
  arm_expiry();
}

void GroupShard::stop() {
  runner_.stop();
  release_all(GroupErrc::not_coordinator);
}

// Runs a decision and carries out its effects before its own reply is given.
template <class Reply, class Decide, class Fail>
void GroupShard::run(Decide decide, Fail fail, Done<Reply> done) {
  runner_.submit(std::move(decide), [self = shared_from_this(), fail = std::move(fail),
                                     done = std::move(done)](Result<Outcome<Reply>> outcome) mutable {
    if (!outcome) return done(fail(errc_of(outcome.error())));
    self->carry_out(std::move(outcome->effects));
    done(std::move(outcome->reply));
  });
}

void GroupShard::join(JoinCommand command, Done<JoinReply> done) {
  const ReplyToken token = park(std::move(done));
  if (token == 0) return;
  command.token = token;
  const std::string member_id = command.member_id;
  run<GroupErrc>(
      [command = std::move(command)](const Groups& groups, machine::Now now) {
        return without_reply(decide_join(groups, command, now));
      },
      [](GroupErrc error) { return error; },
      [self = shared_from_this(), token, member_id](GroupErrc error) {
        if (error == GroupErrc::none) return;
        JoinReply reply;
        reply.error = error;
        reply.member_id = member_id;
        self->release(token, std::move(reply));
      });
}

void GroupShard::sync(SyncCommand command, Done<SyncReply> done) {
  const ReplyToken token = park(std::move(done));
  if (token == 0) return;
  command.token = token;
  run<GroupErrc>(
      [command = std::move(command)](const Groups& groups, machine::Now now) {
        return without_reply(decide_sync(groups, command, now));
      },
      [](GroupErrc error) { return error; },
      [self = shared_from_this(), token](GroupErrc error) {
        if (error == GroupErrc::none) return;
        SyncReply reply;
        reply.error = error;
        self->release(token, std::move(reply));
      });
}

void GroupShard::heartbeat(HeartbeatCommand command, Done<GroupErrc> done) {
  run<GroupErrc>([command = std::move(command)](const Groups& groups,
                                                machine::Now now) { return decide_heartbeat(groups, command, now); },
                 [](GroupErrc error) { return error; }, std::move(done));
}

void GroupShard::leave(LeaveCommand command, Done<LeaveReply> done) {
  const size_t count = command.members.size();
  run<LeaveReply>([command = std::move(command)](const Groups& groups,
                                                 machine::Now now) { return decide_leave(groups, command, now); },
                  [count](GroupErrc error) { return LeaveReply{std::vector(count, error)}; }, std::move(done));
}

void GroupShard::commit_offsets(CommitCommand command, Done<CommitReply> done) {
  const size_t count = command.items.size();
  run<CommitReply>([command = std::move(command)](const Groups& groups,
                                                  machine::Now now) { return decide_commit(groups, command, now); },
                   [count](GroupErrc error) {
                     // The only thing that can be too large is the request's own offsets.
                     if (error == GroupErrc::unknown_server_error) error = GroupErrc::invalid_commit_offset_size;
                     return CommitReply{std::vector(count, error)};
                   },
                   [metrics = options_.metrics, done = std::move(done)](CommitReply reply) {
                     for (GroupErrc error : reply.items)
                       metrics->offsets_committed.add(error == GroupErrc::none ? 1 : 0);
                     done(std::move(reply));
                   });
}

void GroupShard::fetch_offsets(FetchOffsetsCommand command, Done<FetchOffsetsReply> done) {
  run<FetchOffsetsReply>([command = std::move(command)](const Groups& groups,
                                                        machine::Now) { return decide_fetch_offsets(groups, command); },
                         [](GroupErrc error) {
                           return FetchOffsetsReply{error, {}};
                         },
                         std::move(done));
}

void GroupShard::list(ListCommand command, Done<ListReply> done) {
  run<ListReply>(
      [command = std::move(command)](const Groups& groups, machine::Now) { return decide_list(groups, command); },
      [](GroupErrc error) {
        return ListReply{error, {}};
      },
      std::move(done));
}

void GroupShard::describe(std::string group, Done<GroupDescription> done) {
  run<GroupDescription>([group](const Groups& groups, machine::Now) { return decide_describe(groups, group); },
                        [group](GroupErrc error) {
                          GroupDescription description;
                          description.error = error;
                          description.id = group;
                          return description;
                        },
                        std::move(done));
}

void GroupShard::remove(std::string group, Done<GroupErrc> done) {
  run<DeleteStep>([group](const Groups& groups, machine::Now) { return decide_delete(groups, group); },
                  [](GroupErrc error) {
                    return DeleteStep{error, false};
                  },
                  [self = shared_from_this(), group, done = std::move(done)](DeleteStep step) {
                    if (step.more && step.error == GroupErrc::none) return self->remove(group, done);
                    done(step.error);
                  });
}

void GroupShard::carry_out(Effects effects) {
  options_.metrics->members_expired.add(effects.members_expired);
  options_.metrics->rebalances_completed.add(effects.rebalances_completed);
  for (auto& [token, reply] : effects.joins) release(token, std::move(reply));
  for (auto& [token, reply] : effects.syncs) release(token, std::move(reply));
  if (effects.alarm) arm(*effects.alarm);
}

void GroupShard::arm(TimePoint at) {
  {
    MutexLock lock(mutex_);
    if (closed_ || (armed_ && *armed_ <= at)) return;
    armed_ = at;
  }
  // An earlier timer that is still set finds nothing due and arms nothing worse.
  options_.timers->run_at(at, [weak = weak_from_this(), at] {
    const Pointer self = weak.lock();
    if (!self) return;
    {
      MutexLock lock(self->mutex_);
      if (self->armed_ != at) return;
      self->armed_.reset();
    }
    self->ring();
  });
}

void GroupShard::ring() {
  run<GroupErrc>([](const Groups& groups, machine::Now now) { return without_reply(decide_alarm(groups, now)); },
                 [](GroupErrc error) { return error; },
                 [self = shared_from_this()](GroupErrc error) {
                   // Only a full queue leaves the machine running: the alarm must not be lost.
                   if (error == GroupErrc::coordinator_not_available)
                     self->arm(self->options_.clock->now() + kRingAgainAfter);
                 });
}

void GroupShard::arm_expiry() {
  const TimePoint at = options_.clock->now() + config_.retention_check_interval;
  options_.timers->run_at(at, [weak = weak_from_this()] {
    const Pointer self = weak.lock();
    if (!self) return;
    {
      MutexLock lock(self->mutex_);
      if (self->closed_) return;
    }
    self->expire(std::nullopt);
    self->arm_expiry();
  });
}

void GroupShard::expire(std::optional<std::string> after) {
  run<ExpiryStep>([after](const Groups& groups, machine::Now now) { return decide_expiry(groups, after, now); },
                  [](GroupErrc) { return ExpiryStep{}; },
                  [self = shared_from_this()](ExpiryStep step) {
                    self->options_.metrics->offsets_expired.add(step.offsets);
                    self->options_.metrics->groups_expired.add(step.groups);
                    if (step.offsets + step.groups > 0) {
                      kLog.info("committed offsets expired",
                                {{"partition", self->partition_}, {"offsets", step.offsets}, {"groups", step.groups}});
                    }
                    if (step.next) self->expire(step.next);
                  });
}

ReplyToken GroupShard::park(Done<JoinReply> done) {
  GroupErrc closed{};
  {
    MutexLock lock(mutex_);
    if (!closed_) {
      joins_.emplace(++last_token_, std::move(done));
      return last_token_;
    }
    closed = *closed_;
  }
  JoinReply reply;
  reply.error = closed;
  done(std::move(reply));
  return 0;
}

ReplyToken GroupShard::park(Done<SyncReply> done) {
  GroupErrc closed{};
  {
    MutexLock lock(mutex_);
    if (!closed_) {
      syncs_.emplace(++last_token_, std::move(done));
      return last_token_;
    }
    closed = *closed_;
  }
  SyncReply reply;
  reply.error = closed;
  done(std::move(reply));
  return 0;
}

void GroupShard::release(ReplyToken token, JoinReply reply) {
  Done<JoinReply> done;
  {
    MutexLock lock(mutex_);
    auto at = joins_.find(token);
    if (at == joins_.end()) return;
    done = std::move(at->second);
    joins_.erase(at);
  }
  done(std::move(reply));
}

void GroupShard::release(ReplyToken token, SyncReply reply) {
  Done<SyncReply> done;
  {
    MutexLock lock(mutex_);
    auto at = syncs_.find(token);
    if (at == syncs_.end()) return;
    done = std::move(at->second);
    syncs_.erase(at);
  }
  done(std::move(reply));
}

void GroupShard::release_all(GroupErrc error) {
  std::unordered_map<ReplyToken, Done<JoinReply>> joins;
  std::unordered_map<ReplyToken, Done<SyncReply>> syncs;
  {
    MutexLock lock(mutex_);
    closed_ = error;
    joins.swap(joins_);
    syncs.swap(syncs_);
  }
  for (auto& [token, done] : joins) {
    JoinReply reply;
    reply.error = error;
    done(std::move(reply));
  }
  for (auto& [token, done] : syncs) {
    SyncReply reply;
    reply.error = error;
    done(std::move(reply));
  }
}

}  // namespace millrace::coordinator
