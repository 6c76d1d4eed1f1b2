#include <algorithm>

#include "broker/metadata/decisions.h"
#include "broker/metadata/partition_changes.h"

namespace millrace::metadata {
namespace {

std::string words_of(const TopicImage& topic, PartitionIndex index) {
  return "partition " + topic.name + "-" + std::to_string(index.value());
}
Error too_many() {
  return Error{Errc::overloaded,
               "one request can change at most " + std::to_string(kPartitionsPerCommandMax) + " partitions"};
}

// Whether the change is one of the state as it is, made by who leads.
Status check_origin(const AlterPartition& command, const AlterPartition::Item& item, const std::string& words,
                    const PartitionImage& now) {
  if (item.leader_epoch > now.leader_epoch || item.partition_epoch > now.partition_epoch) {
    return Error{Errc::not_controller, words + " is not known here in the state that its leader names"};
  }
  if (item.leader_epoch < now.leader_epoch) {
    return Error{Errc::fenced_leader_epoch, words + " is at leader epoch " + std::to_string(now.leader_epoch.value())};
  }
  if (command.leader != now.leader) {
    return Error{Errc::invalid_argument, words + " is not led by broker " + std::to_string(command.leader.value())};
  }
  if (item.partition_epoch < now.partition_epoch) {
    return Error{Errc::invalid_update_version, words + " is at partition epoch " + std::to_string(now.partition_epoch)};
  }
  return ok();
}

// The leader itself may shut down: what comes into sync with it takes over.
Status check_members(const ClusterImage& image, const AlterPartition& command, const AlterPartition::Item& item,
                     const std::string& words, const PartitionImage& now) {
  std::set<BrokerId> seen;
  for (const AlterPartition::Member& member : item.isr) {
    if (!seen.insert(member.id).second || !holds(now.replicas, member.id)) {
      return Error{Errc::invalid_argument, words + ": the new in-sync set is not a set of its replicas"};
    }
  }
  if (!seen.contains(command.leader)) {
    return Error{Errc::invalid_argument, words + ": its leader is not in the new in-sync set"};
  }
  for (const AlterPartition::Member& member : item.isr) {
    const BrokerImage* broker = image.find_broker(member.id);
    const char* why = nullptr;
    if (broker == nullptr) {
      why = " is not registered";
    } else if (broker->fenced) {
      why = " is fenced";
    } else if (broker->in_controlled_shutdown && member.id != command.leader) {
      why = " shuts down";
    } else if (member.epoch != -1 && member.epoch != broker->epoch) {
      why = " has been registered anew";
    }
    if (why != nullptr) {
      return Error{Errc::ineligible_replica, words + ": broker " + std::to_string(member.id.value()) + why};
    }
  }
  return ok();
}

AlteredPartition alter(PartitionChanges& changes, const ClusterImage& image, const AlterPartition& command,
                       const AlterPartition::Item& item) {
  AlteredPartition answer{.topic = item.topic, .partition = item.partition, .outcome = ok(), .state = {}};
  const TopicImage* topic = image.find_topic(item.topic);
  if (topic == nullptr) {
    answer.outcome = Error{Errc::unknown_topic_id, "topic id " + item.topic.to_string()};
    return answer;
  }
  const std::string words = words_of(*topic, item.partition);
  if (item.partition.value() < 0 || static_cast<size_t>(item.partition.value()) >= topic->partitions.size()) {
    answer.outcome = Error{Errc::unknown_topic_or_partition, words};
    return answer;
  }
  const PartitionImage& now = topic->partitions[static_cast<size_t>(item.partition.value())];
  answer.state = now;
  answer.outcome = check_origin(command, item, words, now);
  if (answer.outcome) answer.outcome = check_members(image, command, item, words, now);
  if (!answer.outcome) return answer;
  if (changes.changed(*topic, item.partition)) {
    answer.outcome = Error{Errc::invalid_update_version, words + " is in the request more than once"};
  } else if (changes.full()) {
    answer.outcome = too_many();
  } else {
    PartitionImage wanted = now;
    wanted.isr.clear();
    for (const AlterPartition::Member& member : item.isr) wanted.isr.push_back(member.id);
    if (const auto after = changes.settle(*topic, item.partition, std::move(wanted))) answer.state = after;
    if (answer.state->leader != now.leader) answer.outcome = Error{Errc::new_leader_elected, words};
  }
  return answer;
}

Status elect(PartitionChanges& changes, ElectionKind kind, const TopicImage& topic, PartitionIndex index) {
  const PartitionImage& now = topic.partitions[static_cast<size_t>(index.value())];
  const std::string words = words_of(topic, index);
  const BrokerId preferred = now.replicas.front();
  const bool needed = kind == ElectionKind::preferred ? now.leader != preferred : now.leader == kNoBroker;
  if (!needed || changes.changed(topic, index)) return Error{Errc::election_not_needed, words};
  if (changes.full()) return too_many();
  if (kind == ElectionKind::unclean) {
    const std::optional<PartitionImage> after =
        settle(now, now, changes.rules(topic), {.prefer_first = false, .unclean = true});
    if (!after || after->leader == kNoBroker) {
      return Error{Errc::eligible_leaders_not_available, words + ": none of its replicas is alive"};
    }
    changes.put(topic, index, *after);
    return ok();
  }
  if (!changes.standing().leads(preferred) || !(holds(now.isr, preferred) || holds(now.elr, preferred))) {
    return Error{Errc::preferred_leader_not_available,
                 words + ": broker " + std::to_string(preferred.value()) + " is not in sync"};
  }
  const auto after = changes.settle(topic, index, now, {.prefer_first = true});
  if (after && after->leader == preferred) return ok();
  return Error{Errc::preferred_leader_not_available, words + ": another replica is in sync"};
}

}  // namespace

Decision<Result<AlterPartitionReply>> decide(const ControllerState& state, const AlterPartition& command,
                                             const DecisionContext& context) {
  Decision<Result<AlterPartitionReply>> decision{.records = {}, .reply = AlterPartitionReply{}, .also = {}};
  const std::string name = "broker " + std::to_string(command.leader.value());
  const BrokerImage* leader = state.image().find_broker(command.leader);
  if (leader == nullptr) {
    decision.reply = Error{Errc::broker_not_registered, name};
    return decision;
  }
  if (leader->epoch != command.epoch) {
    decision.reply = Error{Errc::stale_broker_epoch, name};
    return decision;
  }
  PartitionChanges changes(state, context);
  for (const AlterPartition::Item& item : command.partitions) {
    decision.reply->partitions.push_back(alter(changes, state.image(), command, item));
  }
  decision.records = changes.take_records();
  return decision;
}

Decision<ElectLeadersReply> decide(const ControllerState& state, const ElectLeaders& command,
                                   const DecisionContext& context) {
  Decision<ElectLeadersReply> decision;
  const ClusterImage& image = state.image();
  PartitionChanges changes(state, context);
  if (command.partitions) {
    for (const PartitionName& name : *command.partitions) {
      const TopicImage* topic = image.find_topic(name.topic);
      const bool known = topic != nullptr && image.find_partition(name.topic, name.partition) != nullptr;
      const std::string words = "partition " + name.topic + "-" + std::to_string(name.partition.value());
      decision.reply.partitions.emplace_back(name, known ? elect(changes, command.kind, *topic, name.partition)
                                                         : Error{Errc::unknown_topic_or_partition, words});
    }
  } else {
    for (const auto& [name, topic] : image.topics()) {
      for (int32_t i = 0; static_cast<size_t>(i) < topic->partitions.size(); ++i) {
        Status outcome = elect(changes, command.kind, *topic, PartitionIndex{i});
        if (!outcome && outcome.error().code == Errc::election_not_needed) continue;
        decision.reply.partitions.emplace_back(PartitionName{name, PartitionIndex{i}}, std::move(outcome));
      }
    }
  }
  decision.records = changes.take_records();
  return decision;
}

}  // namespace millrace::metadata
