#include <algorithm>

#include "broker/coordinator/transition.h"

namespace millrace::coordinator {
namespace {

constexpr size_t kTextBytesMax = INT16_MAX;  // of a text in a record
constexpr size_t kInstanceIdMax = 249;

GroupErrc check(const GroupConfig& config, const JoinCommand& command) {
  if (command.group.empty() || command.group.size() > kTextBytesMax) return GroupErrc::invalid_group_id;
  if (command.session_timeout_ms < config.session_timeout_min_ms ||
      command.session_timeout_ms > config.session_timeout_max_ms) {
    return GroupErrc::invalid_session_timeout;
  }
  if (command.instance_id && (command.instance_id->empty() || command.instance_id->size() > kInstanceIdMax)) {
    return GroupErrc::invalid_request;
  }
  if (command.protocol_type.empty() || command.protocol_type.size() > kTextBytesMax || command.protocols.empty() ||
      std::any_of(command.protocols.begin(), command.protocols.end(),
                  [](const JoinProtocol& protocol) { return protocol.name.size() > kTextBytesMax; })) {
    return GroupErrc::inconsistent_group_protocol;
  }
  return GroupErrc::none;
}

// Whether the group has room for the one who asks: members of the current generation, or who has rejoined so far.
bool has_room(const Group& group, std::string_view member_id, int32_t size_max) {
  const Member* member = group.find(member_id);
  const auto max = static_cast<size_t>(size_max);
  switch (group.phase) {
    case GroupPhase::empty:
      return true;
    case GroupPhase::preparing_rebalance:
      return (member != nullptr && member->join != 0) || group.joining() < max;
    case GroupPhase::completing_rebalance:
    case GroupPhase::stable:
      return member != nullptr || group.members.size() < max;
  }
  return false;
}

class Join {
 public:
  Join(const Groups& groups, const JoinCommand& command, machine::Now now)
      : groups_(groups), command_(command), now_(now), transition_(groups, command.group, now) {}

  GroupDecision<Unit> decide() {
    if (const GroupErrc error = check(groups_.config(), command_); error != GroupErrc::none) return refuse(error);
    Group& group = transition_.group();
    if (groups_.find(command_.group) == nullptr && !command_.member_id.empty()) {
      return refuse(GroupErrc::unknown_member_id);
    }
    if (!has_room(group, command_.member_id, groups_.config().group_size_max)) return no_room();
    if (!group.supports(command_.protocol_type, command_.protocols)) {
      return refuse(GroupErrc::inconsistent_group_protocol);
    }
    if (!command_.member_id.empty()) return known_id();
    return command_.instance_id ? new_static_member() : new_dynamic_member();
  }

 private:
  GroupDecision<Unit> refuse(GroupErrc error, std::string member_id) {
    GroupDecision<Unit> decision = just(Unit{});
    JoinReply reply;
    reply.error = error;
    reply.member_id = std::move(member_id);
    decision.reply.effects.joins.emplace_back(command_.token, std::move(reply));
    return decision;
  }
  GroupDecision<Unit> refuse(GroupErrc error) { return refuse(error, command_.member_id); }

  // A member that rejoins after the others took all places has to go, or the rebalance would wait for it.
  GroupDecision<Unit> no_room() {
    if (transition_.group().find(command_.member_id) == nullptr) return refuse(GroupErrc::group_max_size_reached, "");
    JoinReply reply;
    reply.error = GroupErrc::group_max_size_reached;
    transition_.answer_join(command_.token, std::move(reply));
    transition_.remove_member(command_.member_id);
    transition_.check_joined();
    return transition_.finish(Unit{});
  }

  GroupDecision<Unit> new_dynamic_member() {
    if (!command_.needs_known_id) return admit(command_.new_member_id);
    transition_.group().pending[command_.new_member_id] =
        now_.monotonic + std::chrono::milliseconds(command_.session_timeout_ms);
    JoinReply reply;
    reply.error = GroupErrc::member_id_required;
    reply.member_id = command_.new_member_id;
    transition_.answer_join(command_.token, std::move(reply));
    return transition_.finish(Unit{});
  }

  GroupDecision<Unit> new_static_member() {
    Group& group = transition_.group();
    auto instance = group.instances.find(*command_.instance_id);
    if (instance == group.instances.end()) return admit(command_.new_member_id);
    const std::string old_id = instance->second;
    const std::string old_leader = group.leader.value_or("");
    const std::string& id = command_.new_member_id;
    transition_.replace_static_member(*command_.instance_id, old_id, id);
    transition_.update_member(command_, id);
    if (group.phase != GroupPhase::stable || group.protocol != group.vote()) {
      transition_.rebalance();
      return transition_.finish(Unit{});
    }
    // It finds its place as it left it: nobody else notices.
    Member& member = group.edit(id);
    member.join = 0;
    const bool skips = command_.can_skip_assignment && group.is_leader(id);
    JoinReply reply = transition_.current_generation(member, skips);
    reply.skip_assignment = skips;
    // Who cannot be told to skip must not take itself for the leader, or it would assign without knowing the members.
    if (!command_.can_skip_assignment) reply.leader = old_leader;
    transition_.answer_join(command_.token, std::move(reply));
    transition_.log_group();
    return transition_.finish(Unit{});
  }

  GroupDecision<Unit> known_id() {
    Group& group = transition_.group();
    const std::string& id = command_.member_id;
    if (group.pending.contains(id)) {
      if (command_.instance_id) return refuse(GroupErrc::unknown_member_id);  // ids are not given out to static members
      return admit(id);
    }
    if (const GroupErrc error = group.check_member(id, command_.instance_id); error != GroupErrc::none) {
      return refuse(error);
    }
    const Member& member = *group.find(id);
    const bool is_unchanged = member.protocols == command_.protocols;
    switch (group.phase) {
      case GroupPhase::empty:
        return refuse(GroupErrc::unknown_member_id);
      case GroupPhase::preparing_rebalance:
        break;
      case GroupPhase::completing_rebalance:
        if (is_unchanged) return answer_current(group.is_leader(id));
        break;
      case GroupPhase::stable:
        // A leader joins again when it wants to assign anew.
        if (is_unchanged && !group.is_leader(id)) return answer_current(false);
        break;
    }
    transition_.update_member(command_, id);
    transition_.rebalance();
    return transition_.finish(Unit{});
  }

  // Its answer got lost, or a follower checks: nothing changes for it.
  GroupDecision<Unit> answer_current(bool with_members) {
    Member& member = transition_.group().edit(command_.member_id);
    member.heard = now_.monotonic;
    transition_.answer_join(command_.token, transition_.current_generation(member, with_members));
    return transition_.finish(Unit{});
  }

  GroupDecision<Unit> admit(const std::string& id) {
    transition_.add_member(command_, id);
    transition_.rebalance();
    return transition_.finish(Unit{});
  }

  const Groups& groups_;
  const JoinCommand& command_;
  const machine::Now now_;
  Transition transition_;
};

}  // namespace

GroupDecision<Unit> decide_join(const Groups& groups, const JoinCommand& command, machine::Now now) {
  return Join(groups, command, now).decide();
}

}  // namespace millrace::coordinator
