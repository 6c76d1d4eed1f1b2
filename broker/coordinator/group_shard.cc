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
                                             .limits = {.batch_bytes_max = SIZE_MAX},  // the log's own counts
                                             .state = std::move(groups),
                                             .next = next,
                                             .on_failed = [this](const Error& error) {
                                               options_.metrics->append_failures.add();
                                               release_all(errc_of(error), AndThen::close);
                                               options_.on_failed(partition_, error);
                                             }}) {}

GroupShard::~GroupShard() { release_all(GroupErrc::not_coordinator, AndThen::close); }

void GroupShard::start() {
  ring();
  arm_expiry();
}

void GroupShard::stop() {
  runner_.stop();
  release_all(GroupErrc::not_coordinator, AndThen::close);
}

template <class Reply, class Fail>
struct GroupShard::Operation final : Unanswered {
  Operation(Fail fail_with, Done<Reply> done_with) : fail(std::move(fail_with)), done(std::move(done_with)) {}
  void give_up() override {
    if (take()) answer(fail(GroupErrc::coordinator_not_available));
  }
  void answer(Reply reply) { std::exchange(done, nullptr)(std::move(reply)); }
  Fail fail;
  Done<Reply> done;
};

// Runs a decision and carries out its effects before its own reply is given. What it decided counts also when its
// caller was told that it took too long.
template <class Reply, class Decide, class Fail>
void GroupShard::run(Decide decide, Fail fail, Done<Reply> done) {
  auto operation = std::make_shared<Operation<Reply, Fail>>(std::move(fail), std::move(done));
  runner_.submit(std::move(decide), [self = shared_from_this(), operation](Result<Outcome<Reply>> outcome) {
    if (outcome) self->carry_out(std::move(outcome->effects));
    if (!operation->take()) return;
    operation->answer(outcome ? std::move(outcome->reply) : operation->fail(errc_of(outcome.error())));
  });
  if (!operation->answered) give_up_in_time(std::move(operation));
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
  const auto asked = std::make_shared<const SyncCommand>(std::move(command));
  const auto as_it_is = [](GroupErrc error) { return error; };
  run<GroupErrc>(
      [asked](const Groups& groups, machine::Now now) { return without_reply(decide_sync(groups, *asked, now)); },
      as_it_is,
      [self = shared_from_this(), asked, as_it_is](GroupErrc error) {
        if (error == GroupErrc::none) return;
        SyncReply reply;
        reply.error = error;
        self->release(asked->token, std::move(reply));
        if (error != GroupErrc::unknown_server_error) return;
        kLog.warn("a group's assignment does not fit: raise max.message.bytes of __consumer_offsets",
                  {{"group", asked->group}});
        self->run<GroupErrc>(
            [asked](const Groups& groups, machine::Now now) {
              return without_reply(decide_too_large_sync(groups, *asked, now));
            },
            as_it_is, [](GroupErrc) {});
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
                   // The machine still runs when only this was not taken: the alarm must not be lost.
                   if (error == GroupErrc::coordinator_not_available || error == GroupErrc::unknown_server_error)
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

}  // namespace millrace::coordinator
