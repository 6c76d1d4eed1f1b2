#include <algorithm>

#include "broker/metadata/decisions.h"

namespace millrace::metadata {
namespace {

bool holds(const std::vector<BrokerId>& ids, BrokerId id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); }

// Calls change(topic, index, partition) for every partition; what it returns true for becomes a record.
template <class Change>
void change_partitions(std::vector<machine::Record>& records, const ClusterImage& image, Change change) {
  for (const auto& [name, topic] : image.topics()) {
    for (size_t i = 0; i < topic->partitions.size(); ++i) {
      PartitionImage state = topic->partitions[i];
      if (!change(state)) continue;
      ++state.partition_epoch;
      add(records, PartitionChangeRecord{topic->id, PartitionIndex{static_cast<int32_t>(i)}, std::move(state)});
    }
  }
}

void lead(PartitionImage& state, BrokerId leader) {
  state.leader = leader;
  state.leader_epoch = state.leader_epoch.next();
}

// The broker is gone: it leads nothing, and leaves the in-sync sets that have others.
void add_departure(std::vector<machine::Record>& records, const ClusterImage& image, BrokerId id) {
  change_partitions(records, image, [&](PartitionImage& state) {
    const bool led = state.leader == id;
    const bool leaves_isr = holds(state.isr, id) && state.isr.size() > 1;
    if (!led && !leaves_isr) return false;
    if (leaves_isr) std::erase(state.isr, id);
    if (led) {
      const auto next = std::find_if(state.replicas.begin(), state.replicas.end(), [&](BrokerId candidate) {
        const BrokerImage* broker = image.find_broker(candidate);
        return candidate != id && broker != nullptr && !broker->fenced && holds(state.isr, candidate);
      });
      lead(state, next == state.replicas.end() ? kNoBroker : *next);
    }
    return true;
  });
}

// The broker serves: it leads what waits for a leader and has it in sync. After an unclean end what it led gets a new
// leader epoch, so that clients that read a lost tail notice (KIP-320).
void add_arrival(std::vector<machine::Record>& records, const ClusterImage& image, BrokerId id, bool renew) {
  change_partitions(records, image, [&](PartitionImage& state) {
    const bool waits = state.leader == kNoBroker && holds(state.isr, id);
    if (!waits && !(renew && state.leader == id)) return false;
    lead(state, id);
    return true;
  });
}

}  // namespace

Decision<Result<RegisterBrokerReply>> decide(const ClusterImage& image, const RegisterBroker& command) {
  const auto refuse = [](Errc code, std::string words) {
    return Decision<Result<RegisterBrokerReply>>{.records = {}, .reply = Error{code, std::move(words)}, .also = {}};
  };
  if (command.id.value() < 0) return refuse(Errc::invalid_argument, "a broker's id is negative");
  for (const auto& [id, broker] : image.brokers) {
    if (id != command.id && broker.directory_id == command.directory_id) {
      return refuse(Errc::cluster_mismatch, "the data directory of broker " + std::to_string(id.value()));
    }
  }
  const BrokerImage* known = image.find_broker(command.id);
  if (known != nullptr && known->directory_id != command.directory_id) {
    return refuse(Errc::cluster_mismatch, "broker " + std::to_string(command.id.value()) +
                                              " is registered with data directory " + known->directory_id.to_string() +
                                              ", not " + command.directory_id.to_string());
  }
  const bool same_process = known != nullptr && known->incarnation == command.incarnation;
  Decision<Result<RegisterBrokerReply>> decision{.records = {}, .reply = RegisterBrokerReply{}, .also = {}};
  if (same_process) {  // a retry: its answer was lost
    decision.reply = RegisterBrokerReply{known->epoch};
    return decision;
  }
  // First, so that its offset is the epoch that the reply names.
  decision.reply = RegisterBrokerReply{image.applied.next().value()};
  add(decision.records, RegisterBrokerRecord{.id = command.id,
                                             .epoch = -1,
                                             .incarnation = command.incarnation,
                                             .directory_id = command.directory_id,
                                             .rack = command.rack,
                                             .fenced = command.fenced,
                                             .listeners = command.listeners});
  if (command.fenced) {
    if (known != nullptr && !known->fenced) add_departure(decision.records, image, command.id);
  } else {
    add_arrival(decision.records, image, command.id, !command.clean_start);
  }
  return decision;
}

Decision<Status> decide(const ClusterImage& image, const SetFenced& command) {
  const BrokerImage* broker = image.find_broker(command.id);
  Decision<Status> decision{.records = {}, .reply = ok(), .also = {}};
  if (broker == nullptr) {
    decision.reply = Error{Errc::broker_not_registered, "broker " + std::to_string(command.id.value())};
  } else if (broker->epoch != command.epoch) {
    decision.reply = Error{Errc::invalid_argument, "broker epoch " + std::to_string(command.epoch) +
                                                       " has been replaced by " + std::to_string(broker->epoch)};
  } else if (broker->fenced != command.fenced) {
    add(decision.records, FenceBrokerRecord{command.id, command.fenced});
    if (command.fenced) {
      add_departure(decision.records, image, command.id);
    } else {
      add_arrival(decision.records, image, command.id, false);
    }
  }
  return decision;
}

Decision<Status> decide(const ClusterImage& image, const UnregisterBroker& command) {
  Decision<Status> decision{.records = {}, .reply = ok(), .also = {}};
  if (image.find_broker(command.id) == nullptr) {
    decision.reply = Error{Errc::broker_not_registered, "broker " + std::to_string(command.id.value())};
    return decision;
  }
  add_departure(decision.records, image, command.id);
  add(decision.records, UnregisterBrokerRecord{command.id});
  return decision;
}

Decision<Result<ProducerIdBlock>> decide(const ClusterImage& image, const AllocateProducerIds& command) {
  if (image.find_broker(command.broker) == nullptr) {
    return {.records = {},
            .reply = Error{Errc::broker_not_registered, "broker " + std::to_string(command.broker.value())},
            .also = {}};
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

Decision<Status> decide_initialization(const ClusterImage& image, const std::string& cluster_id) {
  Decision<Status> decision{.records = {}, .reply = ok(), .also = {}};
  if (image.cluster_id == cluster_id) return decision;
  if (!image.cluster_id.empty()) {
    decision.reply = Error{Errc::cluster_mismatch,
                           "the metadata log belongs to cluster " + image.cluster_id + ", not " + cluster_id};
    return decision;
  }
  add(decision.records, ClusterRecord{cluster_id});
  return decision;
}

}  // namespace millrace::metadata
