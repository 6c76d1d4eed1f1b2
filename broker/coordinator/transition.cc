#include "broker/coordinator/transition.h"

#include <algorithm>

#include "broker/base/ensure.h"
#include "broker/coordinator/records.h"

namespace millrace::coordinator {
namespace {

Group copy_or_new(const Groups& groups, const std::string& id) {
  if (const Group* group = groups.find(id)) return *group;
  Group group;
  group.id = id;
  return group;
}

std::vector<std::string> member_ids(const Group& group) {
  std::vector<std::string> ids;
  for (const auto& [id, member] : group.members) ids.push_back(id);
  return ids;
}

}  // namespace

Transition::Transition(const Groups& groups, const std::string& group, machine::Now now)
    : config_(groups.config()), now_(now), group_(copy_or_new(groups, group)) {}

void Transition::enter(GroupPhase phase) {
  group_.phase = phase;
  if (phase != GroupPhase::preparing_rebalance) {
    group_.join_deadline.reset();
    group_.is_initial_delay = false;
    group_.member_added = false;
    group_.initial_remaining = {};
  }
  if (phase == GroupPhase::preparing_rebalance || phase == GroupPhase::empty) group_.sync_deadline.reset();
  if (phase == GroupPhase::stable || phase == GroupPhase::empty) group_.phase_since = now_.wall_ms;
}

JoinReply Transition::current_generation(const Member& member, bool with_members) const {
  JoinReply reply{.error = GroupErrc::none,
                  .generation = group_.generation,
                  .protocol_type = group_.protocol_type,
                  .protocol = group_.protocol,
                  .leader = group_.leader.value_or(""),
                  .skip_assignment = false,
                  .member_id = member.id,
                  .members = {}};
  if (!with_members || !group_.protocol) return reply;
  for (const auto& [id, other] : group_.members) {
    const Bytes* metadata = other->metadata(*group_.protocol);
    reply.members.push_back({id, other->instance_id, metadata != nullptr ? *metadata : Bytes()});
  }
  return reply;
}

void Transition::add_member(const JoinCommand& command, const std::string& id) {
  if (group_.members.empty()) group_.protocol_type = command.protocol_type;
  auto member = std::make_shared<Member>();
  member->id = id;
  member->instance_id = command.instance_id;
  member->is_new = true;
  group_.members[id] = std::move(member);
  if (command.instance_id) group_.instances[*command.instance_id] = id;
  if (!group_.leader) group_.leader = id;
  group_.pending.erase(id);
  if (group_.phase == GroupPhase::preparing_rebalance) group_.member_added = true;
  update_member(command, id);
}

void Transition::update_member(const JoinCommand& command, const std::string& id) {
  Member& member = group_.edit(id);
  // The same member asks twice when its first connection broke; only the last one has a reader.
  release(member, GroupErrc::rebalance_in_progress);
  member.client_id = command.client_id;
  member.client_host = command.client_host;
  member.rebalance_timeout_ms = command.rebalance_timeout_ms;
  member.session_timeout_ms = command.session_timeout_ms;
  member.protocols = command.protocols;
  member.heard = now_.monotonic;
  member.join = command.token;
}

void Transition::replace_static_member(const std::string& instance, const std::string& old_id,
                                       const std::string& new_id) {
  release(group_.edit(old_id), GroupErrc::fenced_instance_id);
  auto member = std::make_shared<Member>(*group_.find(old_id));
  group_.members.erase(old_id);
  member->id = new_id;
  group_.members[new_id] = std::move(member);
  group_.instances[instance] = new_id;
  if (group_.is_leader(old_id)) group_.leader = new_id;
}

void Transition::release(Member& member, GroupErrc error) {
  if (const ReplyToken token = std::exchange(member.join, 0); token != 0) {
    JoinReply reply;
    reply.error = error;
    reply.member_id = member.id;
    answer_join(token, std::move(reply));
  }
  if (const ReplyToken token = std::exchange(member.sync, 0); token != 0) {
    SyncReply reply;
    reply.error = error;
    answer_sync(token, std::move(reply));
  }
}

void Transition::remove_member(const std::string& id) {
  Member& member = group_.edit(id);
  release(member, GroupErrc::unknown_member_id);
  if (member.instance_id) group_.instances.erase(*member.instance_id);
  group_.members.erase(id);
  if (!group_.is_leader(id)) return;
  group_.leader.reset();
  if (!group_.members.empty()) group_.leader = group_.members.begin()->first;
}

void Transition::rebalance() {
  if (group_.phase == GroupPhase::preparing_rebalance) return check_joined();
  prepare_rebalance();
}

void Transition::prepare_rebalance() {
  for (const std::string& id : member_ids(group_)) {
    Member& member = group_.edit(id);
    // Who waits for an assignment joins again instead.
    if (const ReplyToken token = std::exchange(member.sync, 0); token != 0) {
      SyncReply reply;
      reply.error = GroupErrc::rebalance_in_progress;
      answer_sync(token, std::move(reply));
      member.heard = now_.monotonic;
    }
    member.sync_pending = false;
  }
  const bool was_empty = group_.phase == GroupPhase::empty;
  enter(GroupPhase::preparing_rebalance);
  const Duration delay = config_.initial_rebalance_delay;
  if (was_empty && delay.count() > 0) {
    group_.is_initial_delay = true;
    group_.initial_remaining = std::max(group_.rebalance_timeout() - delay, Duration{});
    group_.join_deadline = now_.monotonic + delay;
    return;
  }
  group_.join_deadline = now_.monotonic + group_.rebalance_timeout();
  check_joined();
}

void Transition::check_joined() {
  if (group_.phase != GroupPhase::preparing_rebalance || group_.is_initial_delay) return;
  if (group_.all_joined()) complete_join();
}

void Transition::extend_initial_delay_or_complete() {
  if (group_.is_initial_delay && group_.member_added && group_.initial_remaining.count() > 0) {
    group_.member_added = false;
    const Duration delay = std::min<Duration>(config_.initial_rebalance_delay, group_.initial_remaining);
    group_.initial_remaining -= delay;
    group_.join_deadline = now_.monotonic + delay;
    return;
  }
  complete_join();
}

bool Transition::elect_joined_leader() {
  if (!group_.leader) return false;
  if (const Member* leader = group_.find(*group_.leader); leader != nullptr && leader->join != 0) return true;
  for (const auto& [id, member] : group_.members) {
    if (member->join == 0) continue;
    group_.leader = id;
    return true;
  }
  return false;
}

void Transition::complete_join() {
  group_.is_initial_delay = false;
  for (const std::string& id : member_ids(group_)) {
    const Member& member = *group_.find(id);
    if (member.join != 0 || member.instance_id) continue;
    remove_member(id);
    count_expired();
  }
  if (!elect_joined_leader() && !group_.members.empty()) {
    // Static members only, and none is back: they keep their places until their sessions end.
    group_.join_deadline = now_.monotonic + group_.rebalance_timeout();
    return;
  }
  group_.generation = group_.generation.next();
  if (group_.members.empty()) {
    group_.protocol.reset();
    group_.leader.reset();
    enter(GroupPhase::empty);
    return log_group();
  }
  group_.protocol = group_.vote();
  enter(GroupPhase::completing_rebalance);
  group_.sync_deadline = now_.monotonic + group_.rebalance_timeout();
  ++effects_.rebalances_completed;
  for (const std::string& id : member_ids(group_)) {
    Member& member = group_.edit(id);
    const ReplyToken token = std::exchange(member.join, 0);
    if (token == 0) continue;
    member.is_new = false;
    member.heard = now_.monotonic;
    member.sync_pending = true;
    answer_join(token, current_generation(member, group_.is_leader(id)));
  }
}

void Transition::store_assignment(const SyncCommand& command) {
  std::map<std::string_view, const Bytes*> assignments;
  for (const auto& [id, assignment] : command.assignments) assignments[id] = &assignment;
  enter(GroupPhase::stable);
  for (const std::string& id : member_ids(group_)) {
    Member& member = group_.edit(id);
    auto at = assignments.find(id);
    member.assignment = at == assignments.end() ? Bytes() : *at->second;
    if (const ReplyToken token = std::exchange(member.sync, 0); token != 0) {
      member.heard = now_.monotonic;
      answer_sync(token, {GroupErrc::none, group_.protocol_type, group_.protocol, member.assignment});
    }
  }
  log_group();
}

void Transition::refuse_syncs(GroupErrc error) {
  for (const std::string& id : member_ids(group_)) {
    Member& member = group_.edit(id);
    const ReplyToken token = std::exchange(member.sync, 0);
    if (token == 0) continue;
    SyncReply reply;
    reply.error = error;
    answer_sync(token, std::move(reply));
    member.heard = now_.monotonic;
  }
}

void Transition::log_group() { records_.push_back(group_record(group_)); }

}  // namespace millrace::coordinator
