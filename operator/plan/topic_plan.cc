#include "operator/plan/topic_plan.h"

#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "operator/plan/cluster_plan.h"

namespace millrace::plan {

namespace {

using kube::Json;

Plan refused(std::string reason, std::string message, std::chrono::milliseconds check_again = kResync) {
  Plan plan{.check_again = check_again};
  plan.blocked_by.push_back({reason, "", message});
  plan.conditions.push_back({std::string(kReady), ConditionStatus::no, std::move(reason), std::move(message)});
  return plan;
}

std::set<std::string> applied_keys(const api::KafkaTopic& topic) {
  std::set<std::string> result;
  const Json& object = topic.object.json();
  if (!object.contains("status") || !object["status"].contains("configKeys")) return result;
  for (const Json& key : object["status"]["configKeys"]) {
    if (key.is_string()) result.insert(key.get<std::string>());
  }
  return result;
}

std::optional<int32_t> last_known(const api::KafkaTopic& topic, std::string_view field) {
  if (!topic.object.has({"status", field})) return std::nullopt;
  return static_cast<int32_t>(topic.object.number_at({"status", field}));
}

bool is_ours(const api::KafkaTopic& topic, const TopicFacts& facts) {
  return topic.object.text_at({"status", "topicId"}) == facts.id;
}

bool has_shape(const api::KafkaTopic& topic, const TopicFacts& facts) {
  return facts.partitions == topic.partitions && facts.replicas == topic.replicas;
}

std::string shape(int32_t partitions, std::optional<int32_t> replicas) {
  return std::to_string(partitions) + (partitions == 1 ? " partition" : " partitions") +
         (replicas ? " and replication factor " + std::to_string(*replicas) : " of differing replication factors");
}

Plan plan_deletion(const api::KafkaTopic& topic, const TopicObserved& observed) {
  Plan plan{.check_again = kResync};
  if (!topic.object.has_finalizer(kTopicFinalizer)) return plan;
  const auto let_go = [&](std::string reason, const std::string& why) {
    plan.steps.push_back(DropFinalizer{});
    plan.notes.push_back({false, std::move(reason), "topic " + topic.topic + ": " + why});
    return plan;
  };
  if (topic.deletion_policy == api::DeletionPolicy::retain) return let_go("Retained", "deletionPolicy Retain keeps it");
  if (observed.cluster == ClusterState::absent || observed.cluster == ClusterState::deleting) {
    return let_go("ClusterGone", "its cluster " + topic.cluster + " is gone");
  }
  if (!observed.rival.empty()) return let_go("Retained", "KafkaTopic " + observed.rival + " has it");
  if (observed.cluster == ClusterState::unreachable) {
    return refused(
        "WaitingForCluster",
        "topic " + topic.topic + " is deleted once cluster " + topic.cluster + " answers: " + observed.cluster_trouble,
        kCheckSoon);
  }
  if (!observed.topic) return let_go("Deleted", "it is gone");
  // One that was made, or could be adopted, just before the object was deleted is its own without a record of it.
  const bool is_unrecorded = !topic.object.has({"status", "topicId"}) && has_shape(topic, *observed.topic);
  if (!is_ours(topic, *observed.topic) && !is_unrecorded) return let_go("Retained", "it was not made from this object");
  plan.steps.push_back(DeleteTopic{topic.topic});
  plan.steps.push_back(DropFinalizer{});
  plan.notes.push_back({false, "Deleted", "topic " + topic.topic + " was deleted with its object"});
  return plan;
}

// The finalizer is there before the topic is, so that a deletion in between cannot leave the topic behind.
void plan_finalizer(const api::KafkaTopic& topic, Plan& plan) {
  const bool wanted = topic.deletion_policy == api::DeletionPolicy::remove;
  const bool present = topic.object.has_finalizer(kTopicFinalizer);
  if (wanted && !present) plan.steps.push_back(AddFinalizer{});
  if (!wanted && present) plan.steps.push_back(DropFinalizer{});
}

void plan_config(const api::KafkaTopic& topic, const TopicFacts& facts, Plan& plan) {
  AlterTopicConfig step{.name = topic.topic};
  for (const auto& [key, value] : topic.config) {
    const auto set = facts.config.find(key);
    if (set == facts.config.end() || set->second != value) step.changes[key] = value;
  }
  for (const std::string& key : applied_keys(topic)) {
    if (!topic.config.contains(key) && facts.config.contains(key)) step.changes[key] = std::nullopt;
  }
  if (step.changes.empty()) return;
  std::string keys;
  for (const auto& [key, value] : step.changes) keys += (keys.empty() ? "" : ", ") + key;
  plan.notes.push_back({false, "ConfigChanged", "topic " + topic.topic + ": " + keys});
  plan.steps.push_back(std::move(step));
}

}  // namespace

Plan plan_topic(const api::KafkaTopic& topic, const TopicObserved& observed) {
  if (topic.is_deleting) return plan_deletion(topic, observed);
  if (!observed.rival.empty()) {
    return refused("TopicNameTaken", "topic " + topic.topic + " of cluster " + topic.cluster +
                                         " is described by KafkaTopic " + observed.rival +
                                         ", which is older; delete one of the two");
  }
  if (observed.cluster == ClusterState::absent || observed.cluster == ClusterState::deleting) {
    return refused("ClusterNotFound", "there is no KafkaCluster " + topic.cluster + " in namespace " +
                                          topic.name_space + "; the topic is made once it exists");
  }
  if (observed.cluster == ClusterState::unreachable) {
    return refused("WaitingForCluster",
                   "KafkaCluster " + topic.cluster + " does not answer yet: " + observed.cluster_trouble, kCheckSoon);
  }
  Plan plan{.check_again = kResync};
  if (!observed.topic && topic.replicas > observed.brokers) {
    return refused("TooFewBrokers", "spec.replicas is " + std::to_string(topic.replicas) + " and KafkaCluster " +
                                        topic.cluster + " has " + std::to_string(observed.brokers) +
                                        (observed.brokers == 1 ? " broker" : " brokers") +
                                        ": each replica needs a broker of its own; set it to " +
                                        std::to_string(observed.brokers) + " or fewer");
  }
  if (!observed.topic && topic.replicas > observed.ready_brokers) {
    return refused("WaitingForBrokers",
                   std::to_string(observed.ready_brokers) + " of the " + std::to_string(topic.replicas) +
                       " brokers that its replicas need are ready",
                   kCheckSoon);
  }
  if (!observed.topic) {
    plan_finalizer(topic, plan);
    plan.steps.push_back(CreateTopic{topic.topic, topic.partitions, topic.replicas, topic.config});
    plan.notes.push_back(
        {false, "Created", "topic " + topic.topic + " with " + shape(topic.partitions, topic.replicas)});
    plan.conditions.push_back({std::string(kReady), ConditionStatus::no, "Creating", "the topic does not exist yet"});
    return plan;
  }
  const TopicFacts& facts = *observed.topic;
  if (!is_ours(topic, facts) && !has_shape(topic, facts)) {
    return refused("TopicExists", "topic " + topic.topic + " exists with " + shape(facts.partitions, facts.replicas) +
                                      " and was not made from this object; to adopt it, ask for the same");
  }
  if (facts.partitions > topic.partitions) {
    return refused("PartitionsCannotShrink",
                   "topic " + topic.topic + " has " + std::to_string(facts.partitions) +
                       " partitions and spec.partitions is " + std::to_string(topic.partitions) +
                       ": partitions cannot be taken away; set it to " + std::to_string(facts.partitions) + " or more");
  }
  if (facts.replicas != topic.replicas) {
    return refused("ReplicasCannotChange", "topic " + topic.topic + " has " + shape(facts.partitions, facts.replicas) +
                                               " and spec.replicas is " + std::to_string(topic.replicas) +
                                               ": this version does not move replicas");
  }
  plan_finalizer(topic, plan);
  if (facts.partitions < topic.partitions) {
    plan.steps.push_back(GrowTopic{topic.topic, topic.partitions});
    plan.notes.push_back({false, "Grown",
                          "topic " + topic.topic + " from " + std::to_string(facts.partitions) + " to " +
                              std::to_string(topic.partitions) + " partitions"});
  }
  plan_config(topic, facts, plan);
  if (facts.leaderless > 0) {
    plan.check_again = kCheckSoon;
    plan.conditions.push_back({std::string(kReady), ConditionStatus::no, "PartitionsWithoutLeader",
                               std::to_string(facts.leaderless) + " of " + std::to_string(facts.partitions) +
                                   " partitions of topic " + topic.topic + " have no leader now"});
    return plan;
  }
  plan.conditions.push_back({std::string(kReady), ConditionStatus::yes, "TopicReady", ""});
  return plan;
}

Json topic_status(const api::KafkaTopic& topic, const TopicObserved& observed) {
  api::KafkaTopicStatus status;
  const bool visible = observed.topic && observed.rival.empty();
  const bool same_shape = visible && has_shape(topic, *observed.topic);
  std::set<std::string> keys = applied_keys(topic);
  if (visible && (is_ours(topic, *observed.topic) || same_shape)) {
    status.topic_id = observed.topic->id;
    status.partitions = observed.topic->partitions;
    status.replicas = observed.topic->replicas;
    // What was removed from the topic need not be remembered; what is yet to be removed must.
    std::erase_if(keys, [&](const std::string& key) { return !observed.topic->config.contains(key); });
    for (const auto& [key, value] : topic.config) keys.insert(key);
  } else if (topic.object.has({"status", "topicId"}) && observed.cluster == ClusterState::unreachable) {
    // The last that was known.
    status.topic_id = topic.object.text_at({"status", "topicId"});
    status.partitions = last_known(topic, "partitions");
    status.replicas = last_known(topic, "replicas");
  }
  if (!keys.empty()) status.config_keys.emplace(keys.begin(), keys.end());
  return api::to_json(status);
}

}  // namespace millrace::plan
