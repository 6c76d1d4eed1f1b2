#include <algorithm>
#include <charconv>
#include <set>

#include "broker/metadata/decisions.h"

namespace millrace::metadata {
namespace {

// What one resource has now and how its values are checked.
struct Subject {
  const ConfigValues* current = nullptr;
  const BrokerConfigView* broker = nullptr;  // null: a topic
  bool one_broker = false;
};

const ConfigValues kNothing;

// Kafka's tool for reassignments takes back every throttle it knows, also this one, of moves between the directories of
// one broker. It cannot be set here, so taking it back changes nothing.
constexpr std::string_view kNeverSet = "replica.alter.log.dirs.io.max.bytes.per.second";

Result<Subject> find_subject(const ClusterImage& image, const ConfigResource& resource,
                             const DecisionContext& context) {
  if (resource.type == static_cast<int8_t>(ConfigResourceType::topic)) {
    const TopicImage* topic = image.find_topic(resource.name);
    if (topic == nullptr) return Error{Errc::unknown_topic_or_partition, "topic " + resource.name};
    return Subject{&topic->config, nullptr};
  }
  if (resource.type != static_cast<int8_t>(ConfigResourceType::broker)) {
    return Error{Errc::invalid_argument,
                 "configurations of resource type " + std::to_string(resource.type) + " cannot be changed"};
  }
  if (resource.name.empty()) return Subject{&image.cluster_config, &context.config};
  int32_t id = -1;
  const char* last = resource.name.data() + resource.name.size();
  const auto [end, error] = std::from_chars(resource.name.data(), last, id);
  // The record carries the name as text, so only the canonical form is taken.
  if (error != std::errc{} || end != last || id < 0 || std::to_string(id) != resource.name) {
    return Error{Errc::invalid_argument, "'" + resource.name + "' is not a broker's id"};
  }
  if (image.find_broker(BrokerId{id}) == nullptr) {
    return Error{Errc::broker_not_registered, "broker " + resource.name};
  }
  const auto found = image.broker_config.find(BrokerId{id});
  return Subject{found == image.broker_config.end() ? &kNothing : &found->second, &context.config, true};
}

Result<std::string> normalize(const Subject& subject, const std::string& name, const std::string& value) {
  if (subject.broker == nullptr) return normalize_topic_config(name, value);
  const ConfigKey* key = find_config_key(subject.broker->keys, name);
  if (key == nullptr) {
    std::string words = "there is no broker configuration " + name;
    const std::string_view near = nearest_config_name(subject.broker->keys, name);
    if (!near.empty()) words += "; did you mean " + std::string(near) + "?";
    return Error{Errc::invalid_config, std::move(words)};
  }
  if (!key->dynamic) {
    return Error{Errc::invalid_argument, name + " cannot be changed while the broker runs"};
  }
  if (subject.one_broker && name == topic_config::kMinInsyncReplicas) {
    return Error{Errc::invalid_config,
                 name + " is one for all brokers: leaders move between them, and who may lead rests on it"};
  }
  return normalize_config(*key, value);
}

const ConfigKey* find_key(const Subject& subject, std::string_view name) {
  if (subject.broker != nullptr) return find_config_key(subject.broker->keys, name);
  const TopicConfigKey* key = find_topic_config(name);
  return key == nullptr ? nullptr : &key->key;
}

std::string joined(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ",") + item;
  return text;
}

// The items of `change` added to or taken from what is set, or from the default where nothing is.
Result<std::string> edit_list(const Subject& subject, const ConfigChange& change, bool append) {
  const ConfigKey* key = find_key(subject, change.name);
  if (key == nullptr || key->type != ConfigType::list) {
    return Error{Errc::invalid_config, change.name + " is not a list: nothing can be appended or subtracted"};
  }
  std::vector<std::string> items = config_list(*subject.current, *key);
  for (const std::string& item : split_list(*change.value)) {
    if (!append) {
      std::erase(items, item);
    } else if (std::find(items.begin(), items.end(), item) == items.end()) {
      items.push_back(item);
    }
  }
  return joined(items);
}

// What a change leaves as the key's value; none: removed.
Result<std::optional<std::string>> outcome_of(const Subject& subject, const ConfigChange& change) {
  const auto operation = static_cast<ConfigOperation>(change.operation);
  switch (operation) {
    case ConfigOperation::remove:
      // Also of a key that cannot be set any more; of one that never could, it is a mistake to be told.
      if (!subject.current->contains(change.name) && find_key(subject, change.name) == nullptr &&
          !(subject.broker != nullptr && change.name == kNeverSet)) {
        TRY(normalize(subject, change.name, ""));
      }
      return std::optional<std::string>();
    case ConfigOperation::set:
    case ConfigOperation::append:
    case ConfigOperation::subtract: {
      if (!change.value) return Error{Errc::invalid_argument, change.name + " has no value"};
      std::string value = *change.value;
      if (operation != ConfigOperation::set) {
        TRY_ASSIGN(value, edit_list(subject, change, operation == ConfigOperation::append));
      }
      TRY_ASSIGN(std::string normalized, normalize(subject, change.name, value));
      return std::optional<std::string>(std::move(normalized));
    }
  }
  return Error{Errc::invalid_argument, "configuration operation " + std::to_string(change.operation)};
}

// The resource's whole configuration after the changes; all of them are valid, or none happens.
Result<ConfigValues> plan(const ClusterImage& image, const AlterConfigs::Item& item, bool replace,
                          const DecisionContext& context) {
  TRY_ASSIGN(const Subject subject, find_subject(image, item.resource, context));
  ConfigValues after = replace ? ConfigValues{} : *subject.current;
  std::set<std::string_view> seen;
  for (const ConfigChange& change : item.changes) {
    if (!seen.insert(change.name).second) {
      return Error{Errc::invalid_argument, change.name + " is changed more than once"};
    }
    ConfigChange effective = change;
    if (replace) effective.operation = static_cast<int8_t>(ConfigOperation::set);
    TRY_ASSIGN(std::optional<std::string> value, outcome_of(subject, effective));
    if (value) {
      after[change.name] = std::move(*value);
    } else {
      after.erase(change.name);
    }
  }
  if (subject.broker == nullptr) TRY(check_topic_config(after));
  return after;
}

void add_difference(std::vector<machine::Record>& records, const ConfigResource& resource, const ConfigValues& before,
                    const ConfigValues& after) {
  for (const auto& [name, value] : before) {
    if (!after.contains(name)) add(records, ConfigRecord{resource.type, resource.name, name, std::nullopt});
  }
  for (const auto& [name, value] : after) {
    const auto found = before.find(name);
    if (found == before.end() || found->second != value) {
      add(records, ConfigRecord{resource.type, resource.name, name, value});
    }
  }
}

// What the in-sync sets rest on; see MinInsyncChangedRecord.
void add_min_insync_change(std::vector<machine::Record>& records, const ClusterImage& image,
                           const ConfigResource& resource, const ConfigValues& before, const ConfigValues& after) {
  const auto value_in = [](const ConfigValues& values) {
    const auto found = values.find(topic_config::kMinInsyncReplicas);
    return found == values.end() ? std::string() : found->second;
  };
  if (value_in(before) == value_in(after)) return;
  const bool of_topic = resource.type == static_cast<int8_t>(ConfigResourceType::topic);
  add(records, MinInsyncChangedRecord{of_topic ? image.find_topic(resource.name)->id : Uuid{}});
}

}  // namespace

Decision<AlterConfigsReply> decide(const ClusterImage& image, const AlterConfigs& command,
                                   const DecisionContext& context) {
  Decision<AlterConfigsReply> decision;
  std::map<ConfigResource, int> mentions;
  for (const AlterConfigs::Item& item : command.resources) ++mentions[item.resource];
  for (const AlterConfigs::Item& item : command.resources) {
    if (mentions[item.resource] > 1) {
      decision.reply.resources.emplace_back(
          item.resource, Error{Errc::invalid_argument, "the resource is in the request more than once"});
      continue;
    }
    Result<ConfigValues> after = plan(image, item, command.replace, context);
    if (!after) {
      decision.reply.resources.emplace_back(item.resource, std::move(after).error());
      continue;
    }
    decision.reply.resources.emplace_back(item.resource, ok());
    if (command.validate_only) continue;
    const ConfigValues& before = *find_subject(image, item.resource, context)->current;
    add_difference(decision.records, item.resource, before, *after);
    add_min_insync_change(decision.records, image, item.resource, before, *after);
  }
  return decision;
}

}  // namespace millrace::metadata
