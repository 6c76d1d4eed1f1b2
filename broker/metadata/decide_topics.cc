#include <algorithm>
#include <set>

#include "broker/metadata/decisions.h"
#include "broker/metadata/metadata_config.h"
#include "broker/metadata/placement.h"
#include "broker/metadata/topic_name.h"

namespace millrace::metadata {
namespace {

// A topic as it will be.
struct Plan {
  std::vector<Replicas> partitions;
  ConfigValues config;
};

Result<ConfigValues> plan_config(const NewTopic& topic) {
  ConfigValues config;
  for (const auto& [name, value] : topic.config) {
    if (!value) return Error{Errc::invalid_config, name + " has no value"};
    TRY_ASSIGN(std::string normalized, normalize_topic_config(name, *value));
    if (!config.emplace(name, std::move(normalized)).second) {
      return Error{Errc::invalid_config, name + " is given twice"};
    }
  }
  return config;
}

Result<std::vector<Replicas>> plan_manual(const ClusterImage& image, const NewTopic& topic) {
  if (topic.partitions != kDefaultCount || topic.replication_factor != kDefaultCount) {
    return Error{Errc::invalid_argument,
                 "with a manual assignment the numbers of partitions and replicas must both be -1"};
  }
  std::vector<Replicas> placed(topic.assignments.size());
  for (const auto& [index, replicas] : topic.assignments) {
    if (index.value() < 0 || static_cast<size_t>(index.value()) >= placed.size()) {
      return Error{Errc::invalid_replica_assignment, "partitions are not numbered from 0 without gaps"};
    }
    Replicas& place = placed[static_cast<size_t>(index.value())];
    if (!place.empty()) {
      return Error{Errc::invalid_replica_assignment,
                   "partition " + std::to_string(index.value()) + " is assigned twice"};
    }
    TRY(check_assignment(image, index, replicas, topic.assignments.front().second.size()));
    place = replicas;
  }
  return placed;
}

Result<std::vector<Replicas>> plan_placement(const ClusterImage& image, const NewTopic& topic,
                                             const DecisionContext& context, uint64_t seed) {
  if (!topic.assignments.empty()) return plan_manual(image, topic);
  if (topic.partitions == 0 || topic.partitions < kDefaultCount) {
    return Error{Errc::invalid_partitions, std::to_string(topic.partitions) + " partitions"};
  }
  if (topic.replication_factor == 0 || topic.replication_factor < kDefaultCount) {
    return Error{Errc::invalid_replication_factor, "replication factor " + std::to_string(topic.replication_factor)};
  }
  const auto or_default = [&](int32_t asked, const ConfigKey& key) {
    return asked == kDefaultCount ? static_cast<int32_t>(effective_broker_int(image, key, context.config)) : asked;
  };
  const int32_t partitions = or_default(topic.partitions, kNumPartitions);
  if (partitions > kPartitionsPerCommandMax) {
    return Error{Errc::invalid_partitions, std::to_string(partitions) + " partitions are more than the " +
                                               std::to_string(kPartitionsPerCommandMax) + " that one request can make"};
  }
  return place_partitions(image, {}, partitions, or_default(topic.replication_factor, kDefaultReplicationFactor), seed);
}

Status check_free(const ClusterImage& image, const std::string& name, const std::set<std::string>& folded_new) {
  if (image.find_topic(name) != nullptr) return Error{Errc::topic_already_exists, "topic " + name};
  const std::string folded = folded_topic_name(name);
  std::string_view other;
  // Only a name with one of the two characters can collide, and only with such a one.
  if (folded.find('_') != std::string::npos) {
    for (const auto& [existing, topic] : image.topics()) {
      if (existing.size() == folded.size() && folded_topic_name(existing) == folded) other = existing;
    }
    if (folded_new.contains(folded)) other = "another topic of the request";
  }
  if (other.empty()) return ok();
  return Error{Errc::invalid_topic, "'" + name + "' differs from " + std::string(other) + " only in '.' and '_'"};
}

Result<Plan> plan_topic(const ClusterImage& image, const NewTopic& topic, const DecisionContext& context,
                        const std::set<std::string>& folded_new, uint64_t seed) {
  TRY(check_topic_name(topic.name));
  if (topic.name == kMetadataTopic || is_internal_topic(topic.name)) {
    return Error{Errc::invalid_topic, topic.name + " is made by the brokers themselves"};
  }
  TRY(check_free(image, topic.name, folded_new));
  TRY_ASSIGN(ConfigValues config, plan_config(topic));
  TRY(check_topic_config(config));
  TRY_ASSIGN(std::vector<Replicas> partitions, plan_placement(image, topic, context, seed));
  return Plan{.partitions = std::move(partitions), .config = std::move(config)};
}

void add_topic(std::vector<machine::Record>& records, const ClusterImage& image, const std::string& name,
               const Uuid& id, const Plan& plan, Timestamp now_ms) {
  add(records, TopicRecord{id, name});
  for (size_t i = 0; i < plan.partitions.size(); ++i) {
    add(records,
        PartitionRecord{id, PartitionIndex{static_cast<int32_t>(i)}, new_partition(image, plan.partitions[i], now_ms)});
  }
  for (const auto& [key, value] : plan.config) {
    add(records, ConfigRecord{static_cast<int8_t>(ConfigResourceType::topic), name, key, value});
  }
}

uint64_t seed_of(const Uuid& id) { return std::hash<Uuid>{}(id); }

}  // namespace

void add(std::vector<machine::Record>& records, const MetadataRecord& record) {
  records.push_back(machine::Record{.key = std::nullopt, .value = encode(record)});
}

Status check_assignment(const ClusterImage& image, PartitionIndex partition, const std::vector<BrokerId>& replicas,
                        size_t replication_factor) {
  const auto wrong = [&](const std::string& what) {
    return Error{Errc::invalid_replica_assignment, "partition " + std::to_string(partition.value()) + ": " + what};
  };
  if (replicas.empty()) return wrong("no replicas");
  if (replication_factor != 0 && replicas.size() != replication_factor) {
    return wrong(std::to_string(replicas.size()) + " replicas where others have " + std::to_string(replication_factor));
  }
  bool any_live = false;
  std::set<BrokerId> seen;
  for (const BrokerId id : replicas) {
    const BrokerImage* broker = image.find_broker(id);
    if (broker == nullptr) return wrong("broker " + std::to_string(id.value()) + " is not registered");
    if (!seen.insert(id).second) return wrong("broker " + std::to_string(id.value()) + " twice");
    any_live = any_live || !broker->fenced;
  }
  return any_live ? ok() : wrong("none of its brokers is alive");
}

Decision<CreateTopicsReply> decide(const ClusterImage& image, const CreateTopics& command,
                                   const DecisionContext& context) {
  Decision<CreateTopicsReply> decision;
  std::map<std::string_view, int> mentions;
  for (const NewTopic& topic : command.topics) ++mentions[topic.name];

  std::set<std::string> folded_new;
  std::set<std::string_view> duplicates_answered;
  size_t partitions_made = 0;
  for (const NewTopic& topic : command.topics) {
    if (mentions[topic.name] > 1) {
      if (duplicates_answered.insert(topic.name).second) {
        decision.reply.topics.emplace_back(
            topic.name, Error{Errc::invalid_argument, "topic " + topic.name + " is in the request more than once"});
      }
      continue;
    }
    const Uuid id = context.new_uuid();
    Result<Plan> plan = plan_topic(image, topic, context, folded_new, seed_of(id));
    if (plan && partitions_made + plan->partitions.size() > static_cast<size_t>(kPartitionsPerCommandMax)) {
      plan = Error{Errc::policy_violation,
                   "one request can make at most " + std::to_string(kPartitionsPerCommandMax) + " partitions"};
    }
    if (!plan) {
      decision.reply.topics.emplace_back(topic.name, std::move(plan).error());
      continue;
    }
    partitions_made += plan->partitions.size();
    folded_new.insert(folded_topic_name(topic.name));
    if (!command.validate_only) add_topic(decision.records, image, topic.name, id, *plan, context.now.wall_ms);
    decision.reply.topics.emplace_back(
        topic.name, CreatedTopic{.name = topic.name,
                                 .id = command.validate_only ? Uuid{} : id,
                                 .partitions = static_cast<int32_t>(plan->partitions.size()),
                                 .replication_factor = static_cast<int32_t>(plan->partitions.front().size()),
                                 .config = std::move(plan->config)});
  }
  return decision;
}

Decision<Result<int32_t>> decide_offsets_topic(const ClusterImage& image, const DecisionContext& context) {
  if (const TopicImage* topic = image.find_topic(kOffsetsTopic)) {
    return {.records = {}, .reply = static_cast<int32_t>(topic->partitions.size()), .also = {}};
  }
  const auto configured = [&](const ConfigKey& key) {
    return static_cast<int32_t>(effective_broker_int(image, key, context.config));
  };
  const int32_t count = configured(kOffsetsTopicPartitions);
  const int32_t live = static_cast<int32_t>(image.placeable_brokers());
  const Uuid id = context.new_uuid();
  auto placed =
      place_partitions(image, {}, count, std::min(configured(kOffsetsTopicReplicationFactor), live), seed_of(id));
  if (!placed) return {.records = {}, .reply = std::move(placed).error(), .also = {}};
  // Of each group and offset the newest record is all that counts.
  Decision<Result<int32_t>> decision{.records = {}, .reply = count, .also = {}};
  add_topic(decision.records, image, std::string(kOffsetsTopic), id,
            Plan{.partitions = std::move(*placed),
                 .config = {{std::string(topic_config::kCleanupPolicy), "compact"},
                            {std::string(topic_config::kCompressionType), "producer"},
                            {std::string(topic_config::kSegmentBytes),
                             std::to_string(std::max<int32_t>(configured(kOffsetsTopicSegmentBytes), 1 << 20))}}},
            context.now.wall_ms);
  return decision;
}

}  // namespace millrace::metadata
