#include "broker/protocol/messages/create_topics.h"

#include "broker/metadata/controller.h"
#include "broker/metadata/image_store.h"
#include "broker/server/handler.h"
#include "broker/server/handlers/admin_reply.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {
namespace {

using protocol::CreateTopicsRequest;
using protocol::CreateTopicsResponse;

metadata::NewTopic new_topic(const auto& asked, int16_t version) {
  metadata::NewTopic topic{
      .name = asked.name, .partitions = asked.num_partitions, .replication_factor = asked.replication_factor};
  for (const auto& assignment : asked.assignments) {
    std::vector<BrokerId> replicas;
    for (const int32_t id : assignment.broker_ids) replicas.emplace_back(id);
    topic.assignments.emplace_back(PartitionIndex{assignment.partition_index}, std::move(replicas));
  }
  for (const auto& config : asked.configs) topic.config.emplace_back(config.name, config.value);
  // The broker's defaults came with version 4; before, -1 without an assignment is as wrong as 0.
  if (version < 4 && topic.assignments.empty()) {
    if (topic.partitions == metadata::kDefaultCount) topic.partitions = 0;
    if (topic.replication_factor == metadata::kDefaultCount) topic.replication_factor = 0;
  }
  return topic;
}

void add_configs(auto& out, const Services& services, const ConfigValues& set) {
  auto& configs = out.configs.emplace();
  for (const metadata::EffectiveConfig& config :
       metadata::describe_topic_config(*services.images->load(), set, *services.broker)) {
    auto& each = configs.emplace_back();
    each.name = config.name;
    each.value = config.value;
    each.read_only = config.read_only;
    each.config_source = static_cast<int8_t>(config.source);
  }
}

CreateTopicsResponse answer(const Services& services, const metadata::CreateTopicsReply& reply) {
  CreateTopicsResponse response;
  for (const auto& [name, topic] : reply.topics) {
    auto& out = response.topics.emplace_back();
    out.name = name;
    if (!topic) {
      set_outcome(out, topic.error());
      continue;
    }
    set_outcome(out, Unit{});
    out.topic_id = topic->id;
    out.num_partitions = topic->partitions;
    out.replication_factor = static_cast<int16_t>(topic->replication_factor);
    add_configs(out, services, topic->config);
  }
  return response;
}

CreateTopicsResponse all_fail(const std::vector<std::string>& names, const Error& error) {
  CreateTopicsResponse response;
  for (const std::string& name : names) {
    auto& out = response.topics.emplace_back();
    out.name = name;
    set_outcome(out, error);
  }
  return response;
}

void handle_create_topics(Services& services, RequestContext context, CreateTopicsRequest request,
                          Reply<CreateTopicsResponse> reply) {
  metadata::CreateTopics command{.topics = {}, .validate_only = request.validate_only};
  std::vector<std::string> names;
  for (const auto& asked : request.topics) {
    command.topics.push_back(new_topic(asked, context.version));
    names.push_back(asked.name);
  }
  auto timed = std::make_shared<TimedReply<CreateTopicsResponse>>(std::move(reply));
  timed->expire_after(context, request.timeout_ms, [names] {
    return all_fail(names, Error{Errc::timed_out, "the topic may still be created"});
  });
  services.controller->create_topics(std::move(command),
                                     [&services, timed, names](Result<metadata::CreateTopicsReply> made) {
                                       timed->complete(made ? answer(services, *made) : all_fail(names, made.error()));
                                     });
}

}  // namespace

void run_create_topics(RawRequest request) { run_typed<&handle_create_topics>(std::move(request)); }

}  // namespace millrace::server::handlers
