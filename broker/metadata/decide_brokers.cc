#include <algorithm>

#include "broker/metadata/decisions.h"
#include "broker/metadata/partition_changes.h"

namespace millrace::metadata {
namespace {

constexpr size_t kFormerIncarnationsMax = 4;

std::string name_of(BrokerId id) { return "broker " + std::to_string(id.value()); }

Status check_features(const ClusterImage& image, const RegisterBroker& command) {
  for (const auto& [feature, level] : image.features) {
    const auto found = command.features.find(feature);
    if (found == command.features.end()) {
      return Error{Errc::unsupported_version, name_of(command.id) + " does not know " + feature +
                                                  ", and the cluster works at its level " + std::to_string(level)};
    }
    if (level < found->second.min || level > found->second.max) {
      return Error{Errc::unsupported_version,
                   name_of(command.id) + " works at " + feature + " " + std::to_string(found->second.min) + " to " +
                       std::to_string(found->second.max) + ", and the cluster at " + std::to_string(level)};
    }
  }
  return ok();
}

Status check_registration(const ClusterImage& image, const RegisterBroker& command) {
  if (command.id.value() < 0) return Error{Errc::invalid_argument, "a broker's id is negative"};
  if (!command.cluster_id.empty() && command.cluster_id != image.cluster_id) {
    return Error{Errc::cluster_mismatch, "the data directory of " + name_of(command.id) + " belongs to cluster " +
                                             command.cluster_id + ", not " + image.cluster_id};
  }
  for (const auto& [id, broker] : image.brokers) {
    if (id != command.id && broker.directory_id == command.directory_id) {
      return Error{Errc::cluster_mismatch, "the data directory of " + name_of(id)};
    }
  }
  const BrokerImage* known = image.find_broker(command.id);
  if (known != nullptr && known->directory_id != command.directory_id) {
    return Error{Errc::cluster_mismatch, name_of(command.id) + " is registered with data directory " +
                                             known->directory_id.to_string() + ", not " +
                                             command.directory_id.to_string()};
  }
  if (known != nullptr && std::find(known->former_incarnations.begin(), known->former_incarnations.end(),
                                    command.incarnation) != known->former_incarnations.end()) {
    return Error{Errc::duplicate_registration, name_of(command.id)};
  }
  return check_features(image, command);
}

RegisterBrokerRecord record_of(const ClusterImage& image, const RegisterBroker& command, Timestamp now_ms) {
  std::vector<Uuid> former;
  if (const BrokerImage* known = image.find_broker(command.id)) {
    former = known->former_incarnations;
    former.push_back(known->incarnation);
    if (former.size() > kFormerIncarnationsMax) former.erase(former.begin());
  }
  return {.id = command.id,
          .epoch = image.applied.next().value(),
          .incarnation = command.incarnation,
          .directory_id = command.directory_id,
          .rack = command.rack,
          .fenced = command.fenced,
          .listeners = command.listeners,
          .rpc = command.rpc,
          .features = command.features,
          .in_controlled_shutdown = false,
          .state_since_ms = now_ms,
          .former_incarnations = std::move(former)};
}

// The broker serves at once: it leads what waits for it. What it led and may have lost the end of gets a new leader
// epoch, so that clients that read the lost part notice (KIP-320).
void arrive(PartitionChanges& changes, const ControllerState& state, BrokerId id, BrokerId lost) {
  changes.standing().bring(id);
  for_each_of(state, {id}, [&](const TopicImage& topic, PartitionIndex index, const PartitionImage& now) {
    if (!holds(now.replicas, id)) return true;
    PartitionImage wanted = now;
    if (lost != kNoBroker) remove_lost(wanted, lost);
    std::optional<PartitionImage> after = settle(now, std::move(wanted), changes.rules(topic), {.lost = lost});
    const bool goes_on = now.leader == id && (!after || after->leader == id);
    if (goes_on && lost == id) {
      if (!after) {
        after = now;
        ++after->partition_epoch;
      }
      after->leader_epoch = now.leader_epoch.next();
    }
    if (after) changes.put_unbounded(topic, index, std::move(*after));
    return true;
  });
}

}  // namespace

Decision<Result<RegisterBrokerReply>> decide(const ControllerState& state, const RegisterBroker& command,
                                             const DecisionContext& context) {
  const ClusterImage& image = state.image();
  Decision<Result<RegisterBrokerReply>> decision{.records = {}, .reply = RegisterBrokerReply{}, .also = {}};
  if (Status right = check_registration(image, command); !right) {
    decision.reply = std::move(right).error();
    return decision;
  }
  const BrokerImage* known = image.find_broker(command.id);
  if (known != nullptr && known->incarnation == command.incarnation) {  // a retry: its answer was lost
    decision.reply = RegisterBrokerReply{known->epoch};
    return decision;
  }
  const bool clean = command.clean_start &&
                     (known == nullptr || command.previous_epoch == -1 || command.previous_epoch == known->epoch);
  const BrokerId lost = clean ? kNoBroker : command.id;
  PartitionChanges changes(state, context);
  if (!command.fenced) {
    arrive(changes, state, command.id, lost);
  } else {
    changes.standing().take_away(command.id);
    if (!changes.depart({command.id}, lost)) {
      decision.records = changes.take_records();
      decision.reply = Error{Errc::overloaded, name_of(command.id) + " has more partitions than one command changes"};
      return decision;
    }
  }
  const RegisterBrokerRecord record = record_of(image, command, context.now.wall_ms);
  decision.reply = RegisterBrokerReply{record.epoch};
  add(decision.records, record);
  std::vector<machine::Record> partitions = changes.take_records();
  std::move(partitions.begin(), partitions.end(), std::back_inserter(decision.records));
  decision.also = [id = command.id, now = context.now.monotonic](ControllerState& after) {
    after.liveness.of(id) = {.heard = now, .metadata_offset = Offset{-1}, .handed_over = {}};
  };
  return decision;
}

Decision<Status> decide(const ControllerState& state, const UnregisterBroker& command, const DecisionContext& context) {
  Decision<Status> decision{.records = {}, .reply = ok(), .also = {}};
  const BrokerId id = command.id;
  const int32_t replicas = state.index.counts(id).replicas;
  const auto is_it = [&](const auto& voter) { return voter.id == id; };
  const auto& voters = state.image().voters;
  const std::vector<QuorumView::Voter> seen = quorum_of(context).voters;
  if (state.image().find_broker(id) == nullptr) {
    decision.reply = Error{Errc::broker_not_registered, name_of(id)};
  } else if (replicas > 0) {
    decision.reply = Error{Errc::policy_violation,
                           name_of(id) + " holds " + std::to_string(replicas) + " replicas: decommission it first"};
  } else if (std::any_of(voters.begin(), voters.end(), is_it) || std::any_of(seen.begin(), seen.end(), is_it)) {
    decision.reply =
        Error{Errc::policy_violation, name_of(id) + " is a member of the metadata quorum: remove it there first"};
  } else {
    add(decision.records, UnregisterBrokerRecord{id});
    decision.also = [id](ControllerState& after) { after.liveness.forget(id); };
  }
  return decision;
}

Decision<Result<ProducerIdBlock>> decide(const ClusterImage& image, const AllocateProducerIds& command) {
  if (image.find_broker(command.broker) == nullptr) {
    return {.records = {}, .reply = Error{Errc::broker_not_registered, name_of(command.broker)}, .also = {}};
  }
  const int64_t first = image.next_producer_id;
  if (first > INT64_MAX - kProducerIdBlock) {
    return {.records = {}, .reply = Error{Errc::overloaded, "producer ids are used up"}, .also = {}};
  }
  Decision<Result<ProducerIdBlock>> decision{
      .records = {}, .reply = ProducerIdBlock{ProducerId{first}, kProducerIdBlock}, .also = {}};
  add(decision.records, ProducerIdsRecord{command.broker, first + kProducerIdBlock});
  return decision;
}

Decision<Status> decide_initialization(const ClusterImage& image, const std::string& cluster_id,
                                       const FeatureRanges& features) {
  Decision<Status> decision{.records = {}, .reply = ok(), .also = {}};
  if (image.cluster_id == cluster_id) return decision;
  if (!image.cluster_id.empty()) {
    decision.reply = Error{Errc::cluster_mismatch,
                           "the metadata log belongs to cluster " + image.cluster_id + ", not " + cluster_id};
    return decision;
  }
  add(decision.records, ClusterRecord{cluster_id});
  for (const auto& [name, range] : features) add(decision.records, FeatureRecord{name, range.max});
  return decision;
}

}  // namespace millrace::metadata
