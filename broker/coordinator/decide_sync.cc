#include "broker/coordinator/transition.h"

namespace millrace::coordinator {
namespace {

GroupErrc check(const Group& group, const SyncCommand& command) {
  if (const GroupErrc error = group.check_member(command.member_id, command.instance_id); error != GroupErrc::none) {
    return error;
  }
  if (command.generation != group.generation) return GroupErrc::illegal_generation;
  if ((command.protocol_type && command.protocol_type != group.protocol_type) ||
      (command.protocol && group.protocol && command.protocol != group.protocol)) {
    return GroupErrc::inconsistent_group_protocol;
  }
  return GroupErrc::none;
}

GroupDecision<Unit> refuse(const SyncCommand& command, GroupErrc error) {
  GroupDecision<Unit> decision = just(Unit{});
  SyncReply reply;
  reply.error = error;
  decision.reply.effects.syncs.emplace_back(command.token, std::move(reply));
  return decision;
}

}  // namespace

GroupDecision<Unit> decide_sync(const Groups& groups, const SyncCommand& command, machine::Now now) {
  if (command.group.empty()) return refuse(command, GroupErrc::invalid_group_id);
  const Group* group = groups.find(command.group);
  if (group == nullptr) return refuse(command, GroupErrc::unknown_member_id);
  if (const GroupErrc error = check(*group, command); error != GroupErrc::none) return refuse(command, error);
  if (group->phase == GroupPhase::empty) return refuse(command, GroupErrc::unknown_member_id);
  if (group->phase == GroupPhase::preparing_rebalance) return refuse(command, GroupErrc::rebalance_in_progress);

  Transition transition(groups, command.group, now);
  Member& member = transition.group().edit(command.member_id);
  member.heard = now.monotonic;
  member.sync_pending = false;
  if (group->phase == GroupPhase::stable) {
    transition.answer_sync(command.token, {GroupErrc::none, group->protocol_type, group->protocol, member.assignment});
    return transition.finish(Unit{});
  }
  if (member.sync != 0) {
    SyncReply reply;
    reply.error = GroupErrc::rebalance_in_progress;
    transition.answer_sync(member.sync, std::move(reply));
  }
  member.sync = command.token;
  if (group->is_leader(command.member_id)) transition.store_assignment(command);
  return transition.finish(Unit{});
}

GroupDecision<Unit> decide_too_large_sync(const Groups& groups, const SyncCommand& command, machine::Now now) {
  const Group* group = groups.find(command.group);
  if (group == nullptr || check(*group, command) != GroupErrc::none || !group->is_leader(command.member_id) ||
      group->phase != GroupPhase::completing_rebalance) {
    return just(Unit{});  // it has moved on
  }
  Transition transition(groups, command.group, now);
  transition.group().edit(command.member_id).heard = now.monotonic;
  transition.refuse_syncs(GroupErrc::unknown_server_error);
  transition.rebalance();
  return transition.finish(Unit{});
}

GroupDecision<GroupErrc> decide_heartbeat(const Groups& groups, const HeartbeatCommand& command, machine::Now now) {
  if (command.group.empty()) return just(GroupErrc::invalid_group_id);
  const Group* group = groups.find(command.group);
  if (group == nullptr) return just(GroupErrc::unknown_member_id);
  if (const GroupErrc error = group->check_member(command.member_id, command.instance_id); error != GroupErrc::none) {
    return just(error);
  }
  if (group->phase == GroupPhase::empty) return just(GroupErrc::unknown_member_id);
  if (command.generation != group->generation) return just(GroupErrc::illegal_generation);
  GroupDecision<GroupErrc> decision =
      just(group->phase == GroupPhase::preparing_rebalance ? GroupErrc::rebalance_in_progress : GroupErrc::none);
  decision.also = [id = command.group, member = command.member_id, at = now.monotonic](Groups& state) {
    state.hear(id, member, at);
  };
  return decision;
}

}  // namespace millrace::coordinator
