#include <set>

#include "broker/metadata/decisions.h"
#include "broker/metadata/metadata_config.h"

namespace millrace::metadata {
namespace {

const TopicImage* find(const ClusterImage& image, const std::variant<std::string, Uuid>& which) {
  return std::visit([&](const auto& key) { return image.find_topic(key); }, which);
}

Error unknown(const std::variant<std::string, Uuid>& which) {
  if (const auto* name = std::get_if<std::string>(&which)) {
    return Error{Errc::unknown_topic_or_partition, "topic " + *name};
  }
  return Error{Errc::unknown_topic_id, "topic id " + std::get<Uuid>(which).to_string()};
}

}  // namespace

Decision<DeleteTopicsReply> decide(const ClusterImage& image, const DeleteTopics& command,
                                   const DecisionContext& context) {
  Decision<DeleteTopicsReply> decision;
  const bool enabled = effective_broker_config(image, kDeleteTopicEnable, context.config) == "true";
  std::map<Uuid, int> mentions;
  for (const auto& which : command.topics) {
    if (const TopicImage* topic = find(image, which)) ++mentions[topic->id];
  }
  for (const auto& which : command.topics) {
    const TopicImage* topic = find(image, which);
    auto& replies = decision.reply.topics;
    if (!enabled) {
      replies.emplace_back(Error{Errc::topic_deletion_disabled, "delete.topic.enable is false"});
    } else if (topic == nullptr) {
      replies.emplace_back(unknown(which));
    } else if (mentions[topic->id] > 1) {
      replies.emplace_back(Error{Errc::invalid_argument, "topic " + topic->name + " is in the request more than once"});
    } else if (is_internal_topic(topic->name)) {
      replies.emplace_back(Error{Errc::invalid_topic, topic->name + " holds what the brokers need and stays"});
    } else {
      add(decision.records, RemoveTopicRecord{topic->id});
      replies.emplace_back(DeletedTopic{topic->name, topic->id});
    }
  }
  return decision;
}

}  // namespace millrace::metadata
