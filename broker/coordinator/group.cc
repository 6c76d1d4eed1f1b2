#include "broker/coordinator/group.h"

#include <algorithm>
#include <set>

#include "broker/base/ensure.h"
#include "broker/coordinator/coordinator_config.h"
#include "broker/protocol/messages/consumer_protocol.h"
#include "broker/protocol/reader.h"

namespace millrace::coordinator {

std::string_view to_string(GroupPhase phase) {
  switch (phase) {
    case GroupPhase::empty:
      return "Empty";
    case GroupPhase::preparing_rebalance:
      return "PreparingRebalance";
    case GroupPhase::completing_rebalance:
      return "CompletingRebalance";
    case GroupPhase::stable:
      return "Stable";
  }
  return kDeadPhase;
}

const Bytes* Member::metadata(std::string_view protocol) const {
  for (const JoinProtocol& candidate : protocols) {
    if (candidate.name == protocol) return &candidate.metadata;
  }
  return nullptr;
}

std::optional<TimePoint> Member::deadline() const {
  if (sync != 0) return std::nullopt;
  if (join != 0) return is_new ? std::optional(heard + kNewMemberJoinMax) : std::nullopt;
  return heard + std::chrono::milliseconds(session_timeout_ms);
}

const Member* Group::find(std::string_view member_id) const {
  auto at = members.find(member_id);
  return at == members.end() ? nullptr : at->second.get();
}

Member& Group::edit(std::string_view member_id) {
  auto at = members.find(member_id);
  ENSURE(at != members.end());
  auto copy = std::make_shared<Member>(*at->second);
  Member& member = *copy;
  at->second = std::move(copy);
  return member;
}

GroupErrc Group::check_member(std::string_view member_id, const std::optional<std::string>& instance_id) const {
  if (instance_id) {
    auto at = instances.find(*instance_id);
    if (at == instances.end()) return GroupErrc::unknown_member_id;
    return at->second == member_id ? GroupErrc::none : GroupErrc::fenced_instance_id;
  }
  return find(member_id) != nullptr ? GroupErrc::none : GroupErrc::unknown_member_id;
}

bool Group::supports(std::string_view type, const std::vector<JoinProtocol>& protocols) const {
  if (type.empty() || protocols.empty()) return false;
  if (members.empty()) return true;
  if (protocol_type != type) return false;
  return std::any_of(protocols.begin(), protocols.end(), [&](const JoinProtocol& candidate) {
    return std::all_of(members.begin(), members.end(),
                       [&](const auto& member) { return member.second->metadata(candidate.name) != nullptr; });
  });
}

std::string Group::vote() const {
  ENSURE(!members.empty());
  const Member* first = leader ? find(*leader) : nullptr;
  if (first == nullptr) first = members.begin()->second.get();
  std::vector<std::pair<std::string_view, size_t>> votes;  // in the leader's order of preference
  for (const JoinProtocol& candidate : first->protocols) {
    if (std::all_of(members.begin(), members.end(),
                    [&](const auto& member) { return member.second->metadata(candidate.name) != nullptr; })) {
      votes.emplace_back(candidate.name, 0);
    }
  }
  ENSURE(!votes.empty());  // joins that leave no common protocol are refused
  for (const auto& [name, member] : members) {
    for (const JoinProtocol& preferred : member->protocols) {
      auto vote = std::find_if(votes.begin(), votes.end(), [&](const auto& v) { return v.first == preferred.name; });
      if (vote == votes.end()) continue;
      ++vote->second;
      break;
    }
  }
  return std::string(std::max_element(votes.begin(), votes.end(), [](const auto& a, const auto& b) {
                       return a.second < b.second;
                     })->first);
}

bool Group::all_joined() const {
  return pending.empty() &&
         std::all_of(members.begin(), members.end(), [](const auto& member) { return member.second->join != 0; });
}

size_t Group::joining() const {
  return static_cast<size_t>(
      std::count_if(members.begin(), members.end(), [](const auto& member) { return member.second->join != 0; }));
}

Duration Group::rebalance_timeout() const {
  int32_t longest = 0;
  for (const auto& [name, member] : members) longest = std::max(longest, member->rebalance_timeout_ms);
  return std::chrono::milliseconds(longest);
}

std::optional<TimePoint> Group::earliest_deadline() const {
  std::optional<TimePoint> earliest;
  const auto consider = [&](std::optional<TimePoint> at) {
    if (at && (!earliest || *at < *earliest)) earliest = at;
  };
  consider(join_deadline);
  consider(sync_deadline);
  for (const auto& [name, until] : pending) consider(until);
  for (const auto& [name, member] : members) consider(member->deadline());
  return earliest;
}

std::optional<std::vector<std::string>> Group::subscribed_topics() const {
  if (phase != GroupPhase::stable || protocol_type != "consumer" || !protocol) return std::nullopt;
  std::set<std::string> topics;
  for (const auto& [name, member] : members) {
    const Bytes* metadata = member->metadata(*protocol);
    if (metadata == nullptr) return std::nullopt;
    // int16 version, then fields of which later versions only added more: what comes after the topics is not needed.
    protocol::Reader reader(*metadata);
    reader.int16();
    protocol::ConsumerProtocolSubscription subscription;
    subscription.read(reader, 0);
    if (!reader.ok()) return std::nullopt;
    topics.insert(subscription.topics.begin(), subscription.topics.end());
  }
  return std::vector<std::string>(topics.begin(), topics.end());
}

}  // namespace millrace::coordinator
