#include <charconv>

#include "broker/metadata/topic_config.h"

namespace millrace::metadata {
namespace {

const std::string* find_value(const ConfigValues& values, std::string_view name) {
  const auto found = values.find(name);
  return found == values.end() ? nullptr : &found->second;
}

// The configurations of a broker in order of precedence.
struct Scope {
  const ConfigValues* values;
  ConfigSource source;
};
std::array<Scope, 3> scopes_of(const ClusterImage& image, const BrokerConfigView& broker) {
  static const ConfigValues kNone;
  const auto own = image.broker_config.find(broker.self);
  return {Scope{own == image.broker_config.end() ? &kNone : &own->second, ConfigSource::broker},
          Scope{&image.cluster_config, ConfigSource::default_broker},
          Scope{broker.static_values == nullptr ? &kNone : broker.static_values, ConfigSource::static_broker}};
}

// A number in the synonym's unit as one in the topic's; -1 stays "no limit".
std::string scaled(const std::string& text, int64_t factor) {
  if (factor == 1) return text;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  ENSURE(error == std::errc{} && end == text.data() + text.size());
  return std::to_string(number < 0 ? number : number * factor);
}

// Calls `found(name, value, factor, source)` for every value that is set for the key, highest precedence first, until
// it returns false.
template <class Found>
void walk(const TopicConfigKey& key, const ConfigValues& overrides, const std::array<Scope, 3>& scopes, Found found) {
  if (const std::string* value = find_value(overrides, key.key.name)) {
    if (!found(key.key.name, *value, int64_t{1}, ConfigSource::topic)) return;
  }
  for (const Scope& scope : scopes) {
    for (const BrokerSynonym& synonym : key.synonyms) {
      if (synonym.name.empty()) break;
      const std::string* value = find_value(*scope.values, synonym.name);
      if (value != nullptr && !found(synonym.name, *value, synonym.factor, scope.source)) return;
    }
  }
}

// The broker key whose own default is the topic key's.
const ConfigKey* fallback_key(const TopicConfigKey& key, const BrokerConfigView& broker) {
  const ConfigKey* last = nullptr;
  for (const BrokerSynonym& synonym : key.synonyms) {
    if (synonym.name.empty()) break;
    const ConfigKey* known = find_config_key(broker.keys, synonym.name);
    if (known != nullptr && !known->fallback.empty()) last = known;
  }
  return last;
}

std::string value_of(const TopicConfigKey& key, const ConfigValues& overrides, const std::array<Scope, 3>& scopes) {
  std::string value{key.key.fallback};
  walk(key, overrides, scopes, [&](std::string_view, const std::string& text, int64_t factor, ConfigSource) {
    value = scaled(text, factor);
    return false;
  });
  return value;
}

}  // namespace

ConfigValues effective_topic_config(const ClusterImage& image, const ConfigValues& overrides,
                                    const BrokerConfigView& broker) {
  const auto scopes = scopes_of(image, broker);
  ConfigValues effective;
  for (const TopicConfigKey& key : topic_config_table()) {
    effective.emplace(key.key.name, value_of(key, overrides, scopes));
  }
  return effective;
}

std::string effective_topic_value(const ClusterImage& image, const ConfigValues& overrides,
                                  const BrokerConfigView& broker, std::string_view name) {
  const TopicConfigKey* key = find_topic_config(name);
  ENSURE(key != nullptr);
  return value_of(*key, overrides, scopes_of(image, broker));
}

bool effective_topic_bool(const ClusterImage& image, const ConfigValues& overrides, const BrokerConfigView& broker,
                          std::string_view name) {
  return effective_topic_value(image, overrides, broker, name) == "true";
}

int32_t effective_min_insync(const ClusterImage& image, const TopicImage& topic, const BrokerConfigView& broker) {
  const TopicConfigKey* key = find_topic_config(topic_config::kMinInsyncReplicas);
  const std::string value = effective_topic_value(image, topic.config, broker, topic_config::kMinInsyncReplicas);
  return static_cast<int32_t>(config_int({{std::string(key->key.name), value}}, key->key));
}

int64_t topic_config_int(const ConfigValues& effective, std::string_view name) {
  const TopicConfigKey* key = find_topic_config(name);
  ENSURE(key != nullptr);
  return config_int(effective, key->key);
}

double topic_config_double(const ConfigValues& effective, std::string_view name) {
  const TopicConfigKey* key = find_topic_config(name);
  ENSURE(key != nullptr);
  return config_double(effective, key->key);
}

const std::string& topic_config_text(const ConfigValues& effective, std::string_view name) {
  const auto found = effective.find(name);
  ENSURE(found != effective.end());
  return found->second;
}

std::vector<EffectiveConfig> describe_topic_config(const ClusterImage& image, const ConfigValues& overrides,
                                                   const BrokerConfigView& broker) {
  const auto scopes = scopes_of(image, broker);
  std::vector<EffectiveConfig> described;
  for (const TopicConfigKey& key : topic_config_table()) {
    EffectiveConfig config{.name = std::string(key.key.name),
                           .value = std::string(key.key.fallback),
                           .source = ConfigSource::fallback,
                           .type = key.key.type,
                           .read_only = false,
                           .doc = key.key.doc,
                           .synonyms = {}};
    walk(key, overrides, scopes,
         [&](std::string_view name, const std::string& text, int64_t factor, ConfigSource source) {
           if (config.synonyms.empty()) {
             config.value = scaled(text, factor);
             config.source = source;
           }
           config.synonyms.push_back({std::string(name), text, source});
           return true;
         });
    if (const ConfigKey* last = fallback_key(key, broker)) {
      config.synonyms.push_back({std::string(last->name), std::string(last->fallback), ConfigSource::fallback});
    }
    described.push_back(std::move(config));
  }
  return described;
}

EffectiveConfig describe_broker_config(const ClusterImage& image, const ConfigKey& key,
                                       const BrokerConfigView& broker) {
  EffectiveConfig config{.name = std::string(key.name),
                         .value = std::nullopt,
                         .source = ConfigSource::fallback,
                         .type = key.type,
                         .read_only = !key.dynamic,
                         .doc = key.doc,
                         .synonyms = {}};
  for (const Scope& scope : scopes_of(image, broker)) {
    if (const std::string* value = find_value(*scope.values, key.name)) {
      config.synonyms.push_back({config.name, *value, scope.source});
    }
  }
  if (!key.fallback.empty() || !key.nullable) {
    config.synonyms.push_back({config.name, std::string(key.fallback), ConfigSource::fallback});
  }
  if (!config.synonyms.empty()) {
    config.value = config.synonyms.front().value;
    config.source = config.synonyms.front().source;
  }
  return config;
}

std::string effective_broker_config(const ClusterImage& image, const ConfigKey& key, const BrokerConfigView& broker) {
  for (const Scope& scope : scopes_of(image, broker)) {
    if (const std::string* value = find_value(*scope.values, key.name)) return *value;
  }
  return std::string(key.fallback);
}

int64_t effective_broker_int(const ClusterImage& image, const ConfigKey& key, const BrokerConfigView& broker) {
  return config_int({{std::string(key.name), effective_broker_config(image, key, broker)}}, key);
}

}  // namespace millrace::metadata
