#include <algorithm>
#include <map>

#include "broker/metadata/decisions.h"
#include "broker/metadata/partition_changes.h"

namespace millrace::metadata {
namespace {

constexpr std::chrono::milliseconds kStopPermitMax = std::chrono::hours{1};

std::string name_of(BrokerId id) { return "broker " + std::to_string(id.value()); }

std::string listed(const std::vector<BrokerId>& ids) {
  std::string text;
  for (const BrokerId id : ids) text += (text.empty() ? "" : ", ") + std::to_string(id.value());
  return text;
}

const StopPermit* find_permit(const ClusterImage& image, BrokerId id, Timestamp now_ms) {
  const auto found = image.permits.find(id);
  return found == image.permits.end() || found->second.expires_ms <= now_ms ? nullptr : &found->second;
}

// Since when: the in-sync set is what it is, or a permit of one of its members was given, whichever came last.
Timestamp blocked_since(const ClusterImage& image, const PartitionImage& partition, BrokerId node, Timestamp now_ms) {
  Timestamp since = partition.isr_since_ms;
  for (const BrokerId id : partition.isr) {
    const StopPermit* permit = find_permit(image, id, now_ms);
    if (id != node && permit != nullptr) since = std::max(since, permit->granted_ms);
  }
  return since;
}

// Why the partition needs `node`; none: it does not.
std::optional<StopRefusal> partition_needs(PartitionChanges& changes, const ClusterImage& image,
                                           const TopicImage& topic, PartitionIndex index, BrokerId node,
                                           Timestamp now_ms) {
  const PartitionImage& now = topic.partitions[static_cast<size_t>(index.value())];
  if (!holds(now.isr, node)) return std::nullopt;
  std::vector<BrokerId> remaining;
  std::copy_if(now.isr.begin(), now.isr.end(), std::back_inserter(remaining),
               [&](BrokerId id) { return id != node && changes.standing().remains(id); });
  const size_t needed = in_sync_needed(changes.rules(topic), now.replicas.size());
  if (remaining.size() >= needed) return std::nullopt;
  const std::string words = "partition " + topic.name + "-" + std::to_string(index.value());
  const std::string sets = " (in sync: " + listed(now.isr) + "; of these remain: " + listed(remaining) + ")";
  StopRefusal refusal{.rule = StopRule::min_insync,
                      .partition = PartitionName{topic.name, index},
                      .since_ms = blocked_since(image, now, node, now_ms),
                      .words = words + " needs " + std::to_string(needed) + " in-sync replicas and would have " +
                               std::to_string(remaining.size()) + " without " + name_of(node) + sets};
  if (remaining.empty()) {
    refusal.rule = StopRule::no_other_leader;
    refusal.words = "nobody else could lead " + words + " without " + name_of(node) + sets;
  }
  return refusal;
}

void note(MayStopReply& reply, std::optional<StopRefusal> refusal) {
  if (!refusal) return;
  ++reply.refusals_total;
  if (reply.refusals.size() < kNamedPartitionsMax) reply.refusals.push_back(std::move(*refusal));
}

void note_partitions(MayStopReply& reply, const ControllerState& state, const MayStop& command,
                     const DecisionContext& context) {
  const ClusterImage& image = state.image();
  PartitionChanges changes(state, context);
  std::map<std::string_view, const TopicImage*> topics;  // by name, so that the same partitions are named each time
  for (const auto& [id, count] : state.index.topics(command.node)) {
    const TopicImage* topic = image.find_topic(id);
    topics.emplace(topic->name, topic);
  }
  for (const auto& [name, topic] : topics) {
    for (int32_t i = 0; static_cast<size_t>(i) < topic->partitions.size(); ++i) {
      if (command.accept_single_replicas && topic->partitions[static_cast<size_t>(i)].replicas.size() == 1) continue;
      note(reply, partition_needs(changes, image, *topic, PartitionIndex{i}, command.node, context.now.wall_ms));
    }
  }
}

std::optional<StopRefusal> quorum_needs(const ClusterImage& image, const MayStop& command,
                                        const DecisionContext& context) {
  const BrokerId node = command.node;
  const std::vector<QuorumView::Voter> voters = quorum_of(context).voters;
  if (command.accept_single_replicas && voters.size() == 1) return {};  // the log has a single replica, too
  if (std::none_of(voters.begin(), voters.end(), [&](const auto& voter) { return voter.id == node; })) return {};
  Timestamp since = kNoTimestamp;
  size_t remaining = 0;
  for (const QuorumView::Voter& voter : voters) {
    const StopPermit* permit = find_permit(image, voter.id, context.now.wall_ms);
    if (voter.id == node) continue;
    if (permit != nullptr) since = std::max(since, permit->granted_ms);
    if (voter.live && permit == nullptr) ++remaining;
  }
  const size_t majority = voters.size() / 2 + 1;
  if (remaining >= majority) return {};
  return StopRefusal{.rule = StopRule::quorum_majority,
                     .partition = {},
                     .since_ms = since,
                     .words = "the metadata quorum needs " + std::to_string(majority) + " of its " +
                              std::to_string(voters.size()) + " members and would have " + std::to_string(remaining) +
                              " without " + name_of(node)};
}

void note_refusals(MayStopReply& reply, const ControllerState& state, const MayStop& command,
                   const DecisionContext& context) {
  const ClusterImage& image = state.image();
  const StopPermit* held = find_permit(image, command.node, context.now.wall_ms);
  if (held != nullptr && held->holder != command.holder) {
    note(reply, StopRefusal{.rule = StopRule::other_permit,
                            .partition = {},
                            .since_ms = held->granted_ms,
                            .words = held->holder + " holds the permit to stop " + name_of(command.node)});
    return;
  }
  // Who is down already takes nothing away, so what it left behind is no reason.
  const bool down = image.find_broker(command.node)->fenced;
  if (held != nullptr && down) return;
  note(reply, quorum_needs(image, command, context));
  if (!down) note_partitions(reply, state, command, context);
}

}  // namespace

Decision<Result<MayStopReply>> decide(const ControllerState& state, const MayStop& command,
                                      const DecisionContext& context) {
  Decision<Result<MayStopReply>> decision{.records = {}, .reply = MayStopReply{}, .also = {}};
  if (state.image().find_broker(command.node) == nullptr) {
    decision.reply = Error{Errc::broker_not_registered, name_of(command.node)};
    return decision;
  }
  if (command.holder.empty() || command.ttl <= std::chrono::milliseconds{0} || command.ttl > kStopPermitMax) {
    decision.reply = Error{Errc::invalid_argument, "a stop permit needs a holder and lasts up to an hour"};
    return decision;
  }
  MayStopReply reply;
  note_refusals(reply, state, command, context);
  if (reply.refusals.empty()) {
    const Timestamp now = context.now.wall_ms;
    const StopPermit* held = find_permit(state.image(), command.node, now);
    reply.expires_ms = now + command.ttl.count();
    add(decision.records, StopPermitRecord{command.node,
                                           {.holder = command.holder,
                                            .granted_ms = held == nullptr ? now : held->granted_ms,
                                            .expires_ms = reply.expires_ms}});
  }
  decision.reply = std::move(reply);
  return decision;
}

Decision<Status> decide(const ControllerState& state, const ReleasePermit& command, const DecisionContext& context) {
  Decision<Status> decision{.records = {}, .reply = ok(), .also = {}};
  const StopPermit* held = find_permit(state.image(), command.node, context.now.wall_ms);
  if (held == nullptr) {
    decision.reply = Error{Errc::not_found, "stop permit of " + name_of(command.node)};
  } else if (held->holder != command.holder) {
    decision.reply = Error{Errc::policy_violation, held->holder + " holds the permit to stop " + name_of(command.node)};
  } else {
    add(decision.records, StopPermitEndRecord{command.node});
  }
  return decision;
}

}  // namespace millrace::metadata
