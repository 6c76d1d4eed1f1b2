#include <utility>

#include "broker/metadata/decisions.h"
#include "broker/metadata/partition_changes.h"

namespace millrace::metadata {
namespace {

std::string name_of(BrokerId id) { return "broker " + std::to_string(id.value()); }

Result<const BrokerImage*> find_registered(const ClusterImage& image, BrokerId id, int64_t epoch) {
  const BrokerImage* broker = image.find_broker(id);
  if (broker == nullptr) return Error{Errc::broker_not_registered, name_of(id)};
  if (broker->epoch != epoch) {
    return Error{Errc::stale_broker_epoch,
                 name_of(id) + " with epoch " + std::to_string(epoch) + ", now " + std::to_string(broker->epoch)};
  }
  return broker;
}

// The first partition records, and when those are all the broker's own.
bool fence(PartitionChanges& changes, BrokerId id, Timestamp now_ms) {
  changes.standing().take_away(id);
  if (!changes.depart({id})) return false;
  add(changes.records(), FenceBrokerRecord{id, true, false, now_ms});
  return true;
}

// The broker's record first. What waits for a leader beyond the bound gets it from ticks.
void unfence(PartitionChanges& changes, BrokerId id, Timestamp now_ms) {
  changes.standing().bring(id);
  add(changes.records(), FenceBrokerRecord{id, false, false, now_ms});
  changes.elect_leaderless();
}

// Moves what others can lead, then leaves the in-sync sets that have others. False when nothing was left to be moved.
bool hand_over(PartitionChanges& changes, const ControllerState& state, BrokerId id) {
  changes.standing().dismiss(id);
  for (const bool led : {true, false}) {
    for_each_of(state, {id}, [&](const TopicImage& topic, PartitionIndex index, const PartitionImage& now) {
      if (changes.full()) return false;
      if ((now.leader == id) == led && holds(now.isr, id)) changes.settle(topic, index, now);
      return true;
    });
  }
  return changes.size() > 0;
}

// Whether all others know of everything up to `offset`, so that clients they tell find the new leaders.
bool others_know(const ControllerState& state, BrokerId id, Offset offset) {
  for (const auto& [other, broker] : state.image().brokers) {
    if (other == id || !broker.takes_leadership()) continue;
    const Liveness::Contact* contact = state.liveness.find(other);
    if (contact == nullptr || contact->metadata_offset < offset) return false;
  }
  return true;
}

void name_stuck(BrokerHeartbeatReply& reply, const ControllerState& state, BrokerId id) {
  reply.left_without_leader = state.index.counts(id).leaders;
  for_each_of(state, {id}, [&](const TopicImage& topic, PartitionIndex index, const PartitionImage& now) {
    if (now.leader == id) reply.without_leader.push_back({topic.name, index});
    return reply.without_leader.size() < kNamedPartitionsMax;
  });
}

// One step of a controlled shutdown.
void shut_down(Decision<Result<BrokerHeartbeatReply>>& decision, BrokerHeartbeatReply& reply,
               const ControllerState& state, const BrokerImage& broker, const DecisionContext& context) {
  const BrokerId id = broker.id;
  PartitionChanges changes(state, context);
  if (!broker.in_controlled_shutdown) {
    add(changes.records(), FenceBrokerRecord{id, false, true, context.now.wall_ms});
  }
  const bool moved = hand_over(changes, state, id);
  const Liveness::Contact* contact = state.liveness.find(id);
  const bool was_done = !moved && contact != nullptr && contact->handed_over.has_value();
  if (was_done && others_know(state, id, *contact->handed_over)) {
    name_stuck(reply, state, id);
    reply.should_shut_down = reply.is_fenced = fence(changes, id, context.now.wall_ms);
  } else if (!was_done) {
    decision.also = [heard = std::move(decision.also), id](ControllerState& after) {
      heard(after);
      after.liveness.of(id).handed_over = after.image().applied;
    };
  }
  decision.records = changes.take_records();
}

}  // namespace

Decision<Result<BrokerHeartbeatReply>> decide(const ControllerState& state, const BrokerHeartbeat& command,
                                              const DecisionContext& context) {
  Decision<Result<BrokerHeartbeatReply>> decision{.records = {}, .reply = BrokerHeartbeatReply{}, .also = {}};
  Result<const BrokerImage*> found = find_registered(state.image(), command.id, command.epoch);
  if (!found) {
    decision.reply = std::move(found).error();
    return decision;
  }
  const BrokerImage& broker = **found;
  BrokerHeartbeatReply reply{.is_caught_up = command.metadata_offset.value() >= broker.epoch,
                             .is_fenced = broker.fenced,
                             .should_shut_down = false,
                             .left_without_leader = 0,
                             .without_leader = {}};
  decision.also = [command, now = context.now.monotonic](ControllerState& after) {
    Liveness::Contact& contact = after.liveness.of(command.id);
    contact.heard = now;
    contact.metadata_offset = command.metadata_offset;
    if (std::exchange(contact.is_gone, false)) contact.was_not_gone = now;
  };
  if (broker.fenced) {
    reply.should_shut_down = command.want_shutdown;
    if (!command.want_shutdown && !command.want_fence && reply.is_caught_up) {
      PartitionChanges changes(state, context);
      unfence(changes, broker.id, context.now.wall_ms);
      decision.records = changes.take_records();
      reply.is_fenced = false;
    }
  } else if (command.want_fence) {
    PartitionChanges changes(state, context);
    reply.is_fenced = fence(changes, broker.id, context.now.wall_ms);
    reply.should_shut_down = reply.is_fenced && command.want_shutdown;
    decision.records = changes.take_records();
  } else if (command.want_shutdown || broker.in_controlled_shutdown) {
    shut_down(decision, reply, state, broker, context);
  }
  decision.reply = std::move(reply);
  return decision;
}

// What one command cannot change, ticks do.
Decision<Status> decide(const ControllerState& state, const BrokerGone& command, const DecisionContext& context) {
  Decision<Status> decision{.records = {}, .reply = ok(), .also = {}};
  Result<const BrokerImage*> found = find_registered(state.image(), command.id, command.epoch);
  if (!found) {
    decision.reply = std::move(found).error();
    return decision;
  }
  const Liveness::Contact* contact = state.liveness.find(command.id);
  const TimePoint now = context.now.monotonic;
  if ((*found)->fenced) return decision;
  if (contact != nullptr && contact->was_not_gone && now - *contact->was_not_gone < kGoneDoubted) {
    decision.reply = Error{Errc::conflict, name_of(command.id) + " was said to be gone before, and was not"};
    return decision;
  }
  PartitionChanges changes(state, context);
  fence(changes, command.id, context.now.wall_ms);
  decision.records = changes.take_records();
  decision.also = [id = command.id](ControllerState& after) { after.liveness.of(id).is_gone = true; };
  return decision;
}

Decision<Status> decide(const ControllerState& state, const SetFenced& command, const DecisionContext& context) {
  Decision<Status> decision{.records = {}, .reply = ok(), .also = {}};
  Result<const BrokerImage*> found = find_registered(state.image(), command.id, command.epoch);
  if (!found) {
    decision.reply = std::move(found).error();
    return decision;
  }
  if ((*found)->fenced == command.fenced) return decision;
  PartitionChanges changes(state, context);
  if (!command.fenced) {
    unfence(changes, command.id, context.now.wall_ms);
    decision.also = [id = command.id, now = context.now.monotonic](ControllerState& after) {
      after.liveness.of(id).heard = now;
    };
  } else if (!fence(changes, command.id, context.now.wall_ms)) {
    decision.reply = Error{Errc::overloaded, name_of(command.id) + " has more partitions than one command changes"};
  }
  decision.records = changes.take_records();
  return decision;
}

}  // namespace millrace::metadata
