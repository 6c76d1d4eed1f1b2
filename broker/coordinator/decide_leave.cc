#include <algorithm>

#include "broker/coordinator/transition.h"

namespace millrace::coordinator {
namespace {

GroupErrc leave(Transition& transition, const LeavingMember& leaving, bool& has_left) {
  Group& group = transition.group();
  std::string id = leaving.member_id;
  if (id.empty() && leaving.instance_id) {
    auto instance = group.instances.find(*leaving.instance_id);
    if (instance == group.instances.end()) return GroupErrc::unknown_member_id;
    id = instance->second;
  } else if (group.pending.contains(id)) {
    group.pending.erase(id);
    has_left = true;
    return GroupErrc::none;
  } else if (const GroupErrc error = group.check_member(id, leaving.instance_id); error != GroupErrc::none) {
    return error;
  }
  transition.remove_member(id);
  has_left = true;
  return GroupErrc::none;
}

}  // namespace

GroupDecision<LeaveReply> decide_leave(const Groups& groups, const LeaveCommand& command, machine::Now now) {
  LeaveReply reply;
  const auto refuse = [&](GroupErrc error) {
    reply.members.assign(command.members.size(), error);
    return just(std::move(reply));
  };
  if (command.group.empty()) return refuse(GroupErrc::invalid_group_id);
  if (groups.find(command.group) == nullptr) return refuse(GroupErrc::unknown_member_id);
  Transition transition(groups, command.group, now);
  const size_t members_before = transition.group().members.size();
  bool has_left = false;
  for (const LeavingMember& leaving : command.members) reply.members.push_back(leave(transition, leaving, has_left));
  if (!has_left) return just(std::move(reply));
  if (transition.group().members.size() != members_before) {
    transition.rebalance();
  } else {
    transition.check_joined();  // it may have waited for the pending one
  }
  return transition.finish(std::move(reply));
}

}  // namespace millrace::coordinator
