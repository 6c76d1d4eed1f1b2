#include <set>

#include "broker/metadata/decisions.h"
#include "broker/metadata/placement.h"
#include "broker/metadata/reassignment.h"

namespace millrace::metadata {
namespace {

Result<std::vector<Replicas>> plan_growth(const ClusterImage& image, const GrowTopic& grow) {
  const TopicImage* topic = image.find_topic(grow.name);
  if (topic == nullptr) return Error{Errc::unknown_topic_or_partition, "topic " + grow.name};
  if (is_internal_topic(grow.name)) {
    return Error{Errc::invalid_partitions, grow.name + ": the number of partitions decides where its keys are found"};
  }
  const int32_t current = static_cast<int32_t>(topic->partitions.size());
  if (grow.count <= current) {
    return Error{Errc::invalid_partitions, "topic " + grow.name + " has " + std::to_string(current) +
                                               " partitions, and " + std::to_string(grow.count) +
                                               " are not more: partitions cannot be removed"};
  }
  const int32_t added = grow.count - current;
  if (added > kPartitionsPerCommandMax) {
    return Error{Errc::invalid_partitions,
                 "one request can make at most " + std::to_string(kPartitionsPerCommandMax) + " partitions"};
  }
  const size_t factor = replicas_before(topic->partitions.front()).size();
  if (!grow.assignments) {
    return place_partitions(image, topic->partitions, added, static_cast<int32_t>(factor),
                            std::hash<Uuid>{}(topic->id));
  }
  if (grow.assignments->size() != static_cast<size_t>(added)) {
    return Error{Errc::invalid_replica_assignment, std::to_string(added) + " partitions are added and " +
                                                       std::to_string(grow.assignments->size()) + " assigned"};
  }
  for (size_t i = 0; i < grow.assignments->size(); ++i) {
    TRY(check_assignment(image, PartitionIndex{current + static_cast<int32_t>(i)}, (*grow.assignments)[i], factor));
  }
  return *grow.assignments;
}

}  // namespace

Decision<CreatePartitionsReply> decide(const ClusterImage& image, const CreatePartitions& command,
                                       const DecisionContext& context) {
  Decision<CreatePartitionsReply> decision;
  std::map<std::string_view, int> mentions;
  for (const GrowTopic& grow : command.topics) ++mentions[grow.name];
  std::set<std::string_view> duplicates_answered;
  size_t made = 0;
  for (const GrowTopic& grow : command.topics) {
    if (mentions[grow.name] > 1) {
      if (duplicates_answered.insert(grow.name).second) {
        decision.reply.topics.emplace_back(
            grow.name, Error{Errc::invalid_argument, "topic " + grow.name + " is in the request more than once"});
      }
      continue;
    }
    Result<std::vector<Replicas>> plan = plan_growth(image, grow);
    if (plan && made + plan->size() > static_cast<size_t>(kPartitionsPerCommandMax)) {
      plan = Error{Errc::policy_violation,
                   "one request can make at most " + std::to_string(kPartitionsPerCommandMax) + " partitions"};
    }
    if (!plan) {
      decision.reply.topics.emplace_back(grow.name, std::move(plan).error());
      continue;
    }
    made += plan->size();
    decision.reply.topics.emplace_back(grow.name, ok());
    if (command.validate_only) continue;
    const TopicImage& topic = *image.find_topic(grow.name);
    int32_t index = static_cast<int32_t>(topic.partitions.size());
    for (Replicas& replicas : *plan) {
      add(decision.records, PartitionRecord{topic.id, PartitionIndex{index++},
                                            new_partition(image, std::move(replicas), context.now.wall_ms)});
    }
  }
  return decision;
}

}  // namespace millrace::metadata
