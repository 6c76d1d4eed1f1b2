#include "broker/protocol/messages/metadata.h"

#include <algorithm>
#include <memory>
#include <set>

#include "broker/metadata/controller.h"
#include "broker/metadata/image_store.h"
#include "broker/metadata/metadata_config.h"
#include "broker/metadata/topic_name.h"
#include "broker/server/handler.h"
#include "broker/server/handlers/admin_reply.h"
#include "broker/server/handlers/cluster_answer.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {
namespace {

using metadata::ClusterImage;
using protocol::ErrorCode;
using protocol::MetadataRequest;
using protocol::MetadataResponse;

constexpr int16_t code_of(ErrorCode error) { return static_cast<int16_t>(error); }

// Why topics that were to be created were not.
using CreationErrors = std::map<std::string, Errc>;

struct Asked {
  int16_t version;
  std::string listener;
  MetadataRequest request;
};

bool asks_for_all(const MetadataRequest& request, int16_t version) {
  return !request.topics || (version == 0 && request.topics->empty());
}

// If any topic is asked for by id, names are ignored.
bool asks_by_id(const MetadataRequest& request) {
  return request.topics && std::any_of(request.topics->begin(), request.topics->end(),
                                       [](const auto& topic) { return !topic.topic_id.is_zero(); });
}

void add_partition(auto& answer, const ClusterImage& image, const metadata::PartitionImage& partition, int32_t index,
                   const Asked& asked) {
  auto& out = answer.partitions.emplace_back();
  LeaderAnswer leader = leader_on(image, partition, asked.listener);
  if (leader.error == ErrorCode::listener_not_found && asked.version < 6) {
    leader.error = ErrorCode::leader_not_available;
  }
  out.error_code = code_of(leader.error);
  out.partition_index = index;
  out.leader_id = leader.leader;
  out.leader_epoch = partition.leader_epoch.value();
  out.offline_replicas = offline_of(image, partition.replicas);
  if (asked.version == 0) {  // knows no offline replicas: they are left out, and that is an error
    out.replica_nodes = online_of(image, partition.replicas);
    out.isr_nodes = online_of(image, partition.isr);
    if (leader.error == ErrorCode::none && !out.offline_replicas.empty()) {
      out.error_code = code_of(ErrorCode::replica_not_available);
    }
  } else {
    out.replica_nodes = ids_of(partition.replicas);
    out.isr_nodes = ids_of(partition.isr);
  }
}

void add_topic(MetadataResponse& response, const ClusterImage& image, const metadata::TopicImage& topic,
               const Asked& asked) {
  auto& out = response.topics.emplace_back();
  out.name = topic.name;
  out.topic_id = topic.id;
  out.is_internal = metadata::is_internal_topic(topic.name);
  if (asked.request.include_topic_authorized_operations) out.topic_authorized_operations = kTopicOperations;
  out.partitions.reserve(topic.partitions.size());
  for (size_t i = 0; i < topic.partitions.size(); ++i) {
    add_partition(out, image, topic.partitions[i], static_cast<int32_t>(i), asked);
  }
}

void add_unknown(MetadataResponse& response, const std::string& name, const CreationErrors& errors) {
  auto& out = response.topics.emplace_back();
  out.name = name;
  out.is_internal = metadata::is_internal_topic(name);
  out.error_code = code_of(ErrorCode::unknown_topic_or_partition);
  if (!metadata::check_topic_name(name)) out.error_code = code_of(ErrorCode::invalid_topic_exception);
  if (const auto found = errors.find(name); found != errors.end()) {
    out.error_code = code_of(admin_error_code(found->second));
    // The controller could not answer now: clients know to come back after this one.
    if (found->second == Errc::overloaded || found->second == Errc::shutting_down ||
        found->second == Errc::topic_already_exists) {
      out.error_code = code_of(ErrorCode::leader_not_available);
    }
  }
}

void add_asked_topics(MetadataResponse& response, const ClusterImage& image, const Asked& asked,
                      const CreationErrors& errors) {
  const bool by_id = asks_by_id(asked.request);
  std::set<std::string_view> named;  // a name asked for twice is answered once
  std::set<Uuid> identified;
  for (const auto& topic : *asked.request.topics) {
    if (by_id) {
      if (topic.topic_id.is_zero() || !identified.insert(topic.topic_id).second) continue;
      if (const metadata::TopicImage* found = image.find_topic(topic.topic_id)) {
        add_topic(response, image, *found, asked);
      } else {
        auto& out = response.topics.emplace_back();
        out.name = std::nullopt;
        out.topic_id = topic.topic_id;
        out.error_code = code_of(ErrorCode::unknown_topic_id);
      }
      continue;
    }
    if (!topic.name || !named.insert(*topic.name).second) continue;
    if (const metadata::TopicImage* found = image.find_topic(*topic.name)) {
      add_topic(response, image, *found, asked);
    } else {
      add_unknown(response, *topic.name, errors);
    }
  }
}

MetadataResponse answer(const ClusterImage& image, const Asked& asked, const CreationErrors& errors) {
  MetadataResponse response;
  for (const BrokerAddress& address : brokers_on(image, asked.listener, false)) {
    auto& out = response.brokers.emplace_back();
    out.node_id = address.broker->id.value();
    out.host = address.endpoint->host;
    out.port = address.endpoint->port;
    if (!address.broker->rack.empty()) out.rack = address.broker->rack;
  }
  response.cluster_id = image.cluster_id;
  response.controller_id = controller_of(image);
  if (asked.request.include_cluster_authorized_operations) response.cluster_authorized_operations = kClusterOperations;
  if (asks_for_all(asked.request, asked.version)) {
    response.topics.reserve(image.topics().size());
    for (const auto& [name, topic] : image.topics()) add_topic(response, image, *topic, asked);
  } else {
    add_asked_topics(response, image, asked, errors);
  }
  return response;
}

// Versions 10 and 11 carry ids and nullable names, but look-up by id came with 12.
bool is_valid(const MetadataRequest& request, int16_t version) {
  if (version < 10 || !request.topics) return true;
  return std::all_of(request.topics->begin(), request.topics->end(), [&](const auto& topic) {
    if (version < 12) return topic.name.has_value() && topic.topic_id.is_zero();
    return topic.name.has_value() || !topic.topic_id.is_zero();
  });
}

MetadataResponse refuse(const Asked& asked) {
  MetadataResponse response;
  if (!asked.request.topics) return response;
  for (const auto& topic : *asked.request.topics) {
    auto& out = response.topics.emplace_back();
    out.name = topic.name ? *topic.name : asked.version < 12 ? std::optional<std::string>("") : std::nullopt;
    out.topic_id = topic.topic_id;
    out.error_code = code_of(ErrorCode::invalid_request);
  }
  return response;
}

// Topics that this request makes: asked for by name, unknown, with a name that can be.
std::vector<std::string> to_create(const ClusterImage& image, const Asked& asked, const Services& services) {
  std::vector<std::string> names;
  if (asks_for_all(asked.request, asked.version) || asks_by_id(asked.request)) return names;
  if (!asked.request.allow_auto_topic_creation) return names;
  if (metadata::effective_broker_config(image, metadata::kAutoCreateTopics, *services.broker) != "true") return names;
  for (const auto& topic : *asked.request.topics) {
    if (!topic.name || image.find_topic(*topic.name) != nullptr || !metadata::check_topic_name(*topic.name)) continue;
    if (std::find(names.begin(), names.end(), *topic.name) == names.end()) names.push_back(*topic.name);
  }
  return names;
}

struct Creation : std::enable_shared_from_this<Creation> {
  Services& services;
  Asked asked;
  Reply<MetadataResponse> reply;
  CreationErrors errors;

  Creation(Services& services_of, Asked what, Reply<MetadataResponse> to)
      : services(services_of), asked(std::move(what)), reply(std::move(to)) {}

  // Clients ask again after an error; waiting for the few milliseconds of a creation saves them that.
  void start(std::vector<std::string> names) {
    const bool offsets = std::erase(names, std::string(metadata::kOffsetsTopic)) > 0;
    metadata::CreateTopics command;
    for (std::string& name : names) command.topics.push_back({.name = std::move(name)});
    if (command.topics.empty()) return make_offsets(offsets);
    std::vector<std::string> asked_names;
    for (const auto& topic : command.topics) asked_names.push_back(topic.name);
    services.controller->create_topics(
        std::move(command), [self = shared_from_this(), offsets,
                             asked_names = std::move(asked_names)](Result<metadata::CreateTopicsReply> made) {
          if (!made) {
            for (const std::string& name : asked_names) self->errors[name] = made.error().code;
          } else {
            for (const auto& [name, topic] : made->topics) {
              if (!topic) self->errors[name] = topic.error().code;
            }
          }
          self->make_offsets(offsets);
        });
  }
  void make_offsets(bool wanted) {
    if (!wanted) return finish();
    services.controller->ensure_offsets_topic([self = shared_from_this()](Result<int32_t> made) {
      if (!made) self->errors[std::string(metadata::kOffsetsTopic)] = made.error().code;
      self->finish();
    });
  }
  void finish() { reply.send(answer(*services.images->load(), asked, errors)); }
};

void handle_metadata(Services& services, RequestContext context, MetadataRequest request,
                     Reply<MetadataResponse> reply) {
  Asked asked{.version = context.version, .listener = context.connection->listener, .request = std::move(request)};
  if (!is_valid(asked.request, asked.version)) return reply.send(refuse(asked));
  const metadata::ImagePointer image = services.images->load();
  std::vector<std::string> names = to_create(*image, asked, services);
  if (names.empty()) return reply.send(answer(*image, asked, {}));
  std::make_shared<Creation>(services, std::move(asked), std::move(reply))->start(std::move(names));
}

}  // namespace

void run_metadata(RawRequest request) { run_typed<&handle_metadata>(std::move(request)); }

}  // namespace millrace::server::handlers
