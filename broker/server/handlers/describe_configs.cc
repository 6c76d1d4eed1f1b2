#include "broker/protocol/messages/describe_configs.h"

#include <algorithm>

#include "broker/metadata/image_store.h"
#include "broker/metadata/topic_config.h"
#include "broker/metadata/topic_name.h"
#include "broker/server/handler.h"
#include "broker/server/handlers/admin_reply.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {
namespace {

using metadata::BrokerConfigView;
using metadata::ClusterImage;
using metadata::EffectiveConfig;
using protocol::DescribeConfigsRequest;
using protocol::DescribeConfigsResponse;

constexpr int8_t kTopicResource = 2, kBrokerResource = 4;

int8_t wire_type(ConfigType type) {
  switch (type) {
    case ConfigType::boolean:
      return 1;
    case ConfigType::string:
      return 2;
    case ConfigType::int32:
      return 3;
    case ConfigType::int64:
      return 5;
    case ConfigType::float64:
      return 6;
    case ConfigType::list:
      return 7;
  }
  return 0;
}

Result<std::vector<EffectiveConfig>> describe_topic(const ClusterImage& image, const std::string& name,
                                                    const BrokerConfigView& broker) {
  TRY(metadata::check_topic_name(name));
  const metadata::TopicImage* topic = image.find_topic(name);
  if (topic == nullptr) return Error{Errc::unknown_topic_or_partition, "topic " + name};
  return metadata::describe_topic_config(image, topic->config, broker);
}

Result<std::vector<EffectiveConfig>> describe_broker(const ClusterImage& image, const std::string& name,
                                                     const BrokerConfigView& broker) {
  std::vector<EffectiveConfig> configs;
  if (name.empty()) {  // what is set for all brokers, and nothing else
    for (const auto& [key, value] : image.cluster_config) {
      const ConfigKey* known = find_config_key(broker.keys, key);
      if (known == nullptr) continue;
      EffectiveConfig config = metadata::describe_broker_config(image, *known, broker);
      config.value = value;
      config.source = metadata::ConfigSource::default_broker;
      std::erase_if(config.synonyms,
                    [](const auto& synonym) { return synonym.source < metadata::ConfigSource::default_broker; });
      configs.push_back(std::move(config));
    }
    return configs;
  }
  if (name != std::to_string(broker.self.value())) {
    return Error{Errc::invalid_argument, "this is broker " + std::to_string(broker.self.value()) + ": ask broker '" +
                                             name + "' itself, or '' for the default of all"};
  }
  for (const ConfigKey& key : broker.keys) configs.push_back(metadata::describe_broker_config(image, key, broker));
  return configs;
}

Result<std::vector<EffectiveConfig>> describe(const ClusterImage& image, int8_t type, const std::string& name,
                                              const BrokerConfigView& broker) {
  if (type == kTopicResource) return describe_topic(image, name, broker);
  if (type == kBrokerResource) return describe_broker(image, name, broker);
  return Error{Errc::invalid_argument, "resources of type " + std::to_string(type) + " have no configuration here"};
}

void add_config(auto& result, const EffectiveConfig& config, const DescribeConfigsRequest& request) {
  auto& out = result.configs.emplace_back();
  out.name = config.name;
  out.value = config.value;
  out.read_only = config.read_only;
  out.config_source = static_cast<int8_t>(config.source);
  out.is_default = config.source == metadata::ConfigSource::fallback;  // version 0's words for it
  out.config_type = wire_type(config.type);
  out.documentation = request.include_documentation ? std::optional<std::string>(config.doc) : std::nullopt;
  if (!request.include_synonyms) return;
  for (const metadata::ConfigSynonymValue& synonym : config.synonyms) {
    auto& each = out.synonyms.emplace_back();
    each.name = synonym.name;
    each.value = synonym.value;
    each.source = static_cast<int8_t>(synonym.source);
  }
}

void handle_describe_configs(Services& services, RequestContext, DescribeConfigsRequest request,
                             Reply<DescribeConfigsResponse> reply) {
  const metadata::ImagePointer image = services.images->load();
  DescribeConfigsResponse response;
  for (const auto& resource : request.resources) {
    auto& result = response.results.emplace_back();
    result.resource_type = resource.resource_type;
    result.resource_name = resource.resource_name;
    const auto configs = describe(*image, resource.resource_type, resource.resource_name, *services.broker);
    if (!configs) {
      set_outcome(result, configs.error());
      continue;
    }
    set_outcome(result, Unit{});
    const auto& keys = resource.configuration_keys;
    for (const EffectiveConfig& config : *configs) {
      const bool wanted = !keys || keys->empty() || std::find(keys->begin(), keys->end(), config.name) != keys->end();
      if (wanted) add_config(result, config, request);
    }
  }
  reply.send(response);
}

}  // namespace

void run_describe_configs(RawRequest request) { run_typed<&handle_describe_configs>(std::move(request)); }

}  // namespace millrace::server::handlers
