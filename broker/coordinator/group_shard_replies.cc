// GroupShard: replies that wait, for other members or for the log.

#include <utility>

#include "broker/coordinator/group_shard.h"

namespace millrace::coordinator {

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

void GroupShard::release_all(GroupErrc error, AndThen then) {
  std::unordered_map<ReplyToken, Done<JoinReply>> joins;
  std::unordered_map<ReplyToken, Done<SyncReply>> syncs;
  {
    MutexLock lock(mutex_);
    if (then == AndThen::close) closed_ = error;
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

void GroupShard::give_up_in_time(std::shared_ptr<Unanswered> operation) {
  const TimePoint at = options_.clock->now() + config_.commit_timeout;
  std::optional<TimePoint> first;
  {
    MutexLock lock(mutex_);
    while (!unanswered_.empty() && unanswered_.front().operation->answered) unanswered_.pop_front();
    unanswered_.push_back({at, std::move(operation)});
    if (!std::exchange(is_waiting_, true)) first = unanswered_.front().at;
  }
  if (first) wait_until(*first);
}

void GroupShard::wait_until(TimePoint at) {
  options_.timers->run_at(at, [weak = weak_from_this()] {
    if (const Pointer self = weak.lock()) self->give_up_overdue();
  });
}

// The log does not take what it was given. Whoever waits for other members waits for it, too, and looks for its
// coordinator again as well.
void GroupShard::give_up_overdue() {
  const TimePoint now = options_.clock->now();
  std::vector<std::shared_ptr<Unanswered>> overdue;
  std::optional<TimePoint> next;
  {
    MutexLock lock(mutex_);
    while (!unanswered_.empty()) {
      const Overdue& first = unanswered_.front();
      if (!first.operation->answered) {
        if (first.at > now) break;
        overdue.push_back(first.operation);
      }
      unanswered_.pop_front();
    }
    if (!unanswered_.empty()) next = unanswered_.front().at;
    is_waiting_ = next.has_value();
  }
  if (next) wait_until(*next);
  if (overdue.empty()) return;
  for (const auto& operation : overdue) operation->give_up();
  release_all(GroupErrc::coordinator_not_available, AndThen::go_on);
}

}  // namespace millrace::coordinator
