#include <algorithm>

#include "broker/coordinator/transition.h"

namespace millrace::coordinator {
namespace {

std::optional<TimePoint> earlier(std::optional<TimePoint> a, std::optional<TimePoint> b) {
  if (!a) return b;
  return b ? std::min(*a, *b) : a;
}

void expire_pending(Group& group, TimePoint now) {
  for (auto at = group.pending.begin(); at != group.pending.end();) {
    at = at->second <= now ? group.pending.erase(at) : std::next(at);
  }
}

// Members whose session is over, and those that joined but never asked for their assignment.
bool expire_members(Transition& transition, TimePoint now) {
  Group& group = transition.group();
  const bool sync_is_over = group.sync_deadline && *group.sync_deadline <= now;
  if (sync_is_over) group.sync_deadline.reset();
  std::vector<std::string> expired;
  for (const auto& [id, member] : group.members) {
    const std::optional<TimePoint> deadline = member->deadline();
    if ((deadline && *deadline <= now) || (sync_is_over && member->sync_pending)) expired.push_back(id);
  }
  for (const std::string& id : expired) {
    transition.remove_member(id);
    transition.count_expired();
  }
  return !expired.empty();
}

}  // namespace

GroupDecision<Unit> decide_alarm(const Groups& groups, machine::Now now) {
  const auto alarm = groups.next_alarm();
  GroupDecision<Unit> decision = just(Unit{});
  if (!alarm) return decision;
  if (alarm->first > now.monotonic) {
    decision.reply.effects.alarm = alarm->first;
    return decision;
  }
  Transition transition(groups, alarm->second, now);
  Group& group = transition.group();
  expire_pending(group, now.monotonic);
  const bool join_is_over = group.join_deadline && *group.join_deadline <= now.monotonic;
  if (expire_members(transition, now.monotonic)) transition.rebalance();
  transition.check_joined();
  if (join_is_over && group.phase == GroupPhase::preparing_rebalance) transition.extend_initial_delay_or_complete();
  decision = transition.finish(Unit{});
  // The next one of the others; this group's own is in the effects.
  const auto next = groups.alarm_after(*alarm);
  decision.reply.effects.alarm =
      earlier(decision.reply.effects.alarm, next ? std::optional(next->first) : std::nullopt);
  return decision;
}

}  // namespace millrace::coordinator
