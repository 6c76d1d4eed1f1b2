#include <algorithm>

#include "broker/metadata/decisions.h"
#include "broker/metadata/metadata_config.h"
#include "broker/metadata/partition_changes.h"
#include "broker/metadata/upkeep.h"

namespace millrace::metadata {
namespace {

std::set<BrokerId> silent_brokers(const ControllerState& state, const DecisionContext& context) {
  const std::chrono::milliseconds session{effective_broker_int(state.image(), kBrokerSessionTimeoutMs, context.config)};
  std::set<BrokerId> silent;
  for (const auto& [id, broker] : state.image().brokers) {
    if (broker.fenced) continue;
    const Duration silence = context.now.monotonic - state.liveness.last_heard(id);
    if (silence > session || state.liveness.is_gone(id)) silent.insert(id);
  }
  return silent;
}

// Brokers that say nothing give up everything, together: none of them is elected in another's place. They are fenced
// once nothing is left, so that no fenced broker ever leads.
bool fence_silent(PartitionChanges& changes, const std::set<BrokerId>& silent, Timestamp now_ms) {
  for (const BrokerId id : silent) changes.standing().take_away(id);
  if (!changes.depart(silent)) return false;
  for (const BrokerId id : silent) add(changes.records(), FenceBrokerRecord{id, true, false, now_ms});
  return true;
}

void expire_permits(PartitionChanges& changes, const ClusterImage& image, Timestamp now_ms) {
  for (const auto& [id, permit] : image.permits) {
    if (permit.expires_ms <= now_ms) add(changes.records(), StopPermitEndRecord{id});
  }
}

}  // namespace

Decision<TickReply> decide(const ControllerState& state, const Tick&, const DecisionContext& context) {
  Decision<TickReply> decision;
  const TimePoint now = context.now.monotonic;
  const Duration pause_max =
      std::chrono::milliseconds{effective_broker_int(state.image(), kBrokerSessionTimeoutMs, context.config)} / 2;
  // Who did not listen cannot tell who was silent: this process stood still.
  const bool stood_still = state.ticked_at && now - *state.ticked_at > pause_max;
  PartitionChanges changes(state, context);
  // Each kind of work derives from the image as it is, so the first that changes partitions has the tick for itself.
  const std::set<BrokerId> silent = stood_still ? std::set<BrokerId>{} : silent_brokers(state, context);
  bool complete = true;
  bool tried = false;
  bool balanced = false;
  const uint64_t causes = state.index.election_causes();
  if (!silent.empty()) {
    complete = fence_silent(changes, silent, context.now.wall_ms);
    if (complete) decision.reply.fenced.assign(silent.begin(), silent.end());
  } else {
    if (state.elections_tried != causes) tried = complete = changes.elect_leaderless();
    if (changes.size() == 0) drain_decommissioned(changes, state);
    if (changes.size() == 0) balanced = balance_leaders(changes, state, context);
  }
  decision.reply.partitions_changed = static_cast<int32_t>(changes.size());
  decision.reply.more = !complete || (changes.size() > 0 && !balanced);
  expire_permits(changes, state.image(), context.now.wall_ms);
  decision.records = changes.take_records();
  decision.also = [=](ControllerState& after) {
    if (stood_still) after.liveness.begin(now);
    after.ticked_at = now;
    if (tried) after.elections_tried = causes;
    if (balanced) after.balanced_at = now;
    note_pace(after, now);
  };
  return decision;
}

}  // namespace millrace::metadata
