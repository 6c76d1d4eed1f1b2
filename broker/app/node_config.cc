#include "broker/app/node_config.h"

#include <algorithm>
#include <charconv>
#include <map>

#include <yaml-cpp/yaml.h>

#include "broker/app/app_config.h"
#include "broker/coordinator/coordinator_config.h"
#include "broker/metadata/metadata_config.h"
#include "broker/replication/replication_config.h"
#include "broker/server/server_config.h"
#include "broker/storage/storage_config.h"

namespace millrace::app {
namespace {

struct Setting {
  std::string name;
  std::string value;
  std::string source;  // for messages: "server.yaml:3" or "--set"
};

Error refused(const Setting& setting, const std::string& why) {
  return Error{Errc::invalid_config, setting.source + ": " + why};
}

Result<std::vector<Setting>> read_file(io::FileSystem& fs, const std::string& path) {
  TRY_ASSIGN(const std::string text, io::read_small_file(fs, path));
  std::vector<Setting> settings;
  try {
    const YAML::Node root = YAML::Load(text);
    if (!root.IsMap() && !root.IsNull()) return Error{Errc::invalid_config, path + ": is not a map of properties"};
    for (const auto& entry : root) {
      const std::string source = path + ":" + std::to_string(entry.first.Mark().line + 1);
      if (!entry.second.IsScalar())
        return Error{Errc::invalid_config, source + ": the value of " + entry.first.Scalar() + " is not a scalar"};
      settings.push_back({entry.first.Scalar(), entry.second.Scalar(), source});
    }
  } catch (const YAML::Exception& broken) {
    return Error{Errc::invalid_config, path + ":" + std::to_string(broken.mark.line + 1) + ": " + broken.msg};
  }
  return settings;
}

Result<std::vector<Setting>> collect(io::FileSystem& fs, const ConfigSources& sources) {
  std::vector<Setting> settings;
  if (!sources.file.empty()) {
    TRY_ASSIGN(settings, read_file(fs, sources.file));
  }
  for (const std::string& set : sources.sets) {
    const size_t equals = set.find('=');
    if (equals == std::string::npos) return Error{Errc::invalid_config, "--set " + set + ": write it as key=value"};
    settings.push_back({set.substr(0, equals), set.substr(equals + 1), "--set"});
  }
  if (!sources.data_dir.empty()) settings.push_back({std::string(kLogDirs.name), sources.data_dir, "--data-dir"});
  return settings;
}

Status take(const Setting& setting, NodeConfig& config) {
  const ConfigKey* key = find_config_key(all_config_keys(), setting.name);
  if (key == nullptr) {
    if (is_kafka_only_property(setting.name)) {
      config.warnings.push_back(setting.source + ": " + setting.name + " has no meaning here and is ignored");
      return ok();
    }
    const std::string_view nearest = nearest_config_name(all_config_keys(), setting.name);
    return refused(setting, "unknown property " + setting.name +
                                (nearest.empty() ? "" : "; did you mean " + std::string(nearest) + "?"));
  }
  auto value = normalize_config(*key, setting.value);
  if (!value) return refused(setting, value.error().context);
  config.values[setting.name] = *std::move(value);
  return ok();
}

// NAME://HOST:PORT
Result<metadata::ListenerEndpoint> parse_listener(std::string_view key, const std::string& text) {
  const size_t scheme = text.find("://");
  if (scheme == std::string::npos || scheme == 0) {
    return Error{Errc::invalid_config, std::string(key) + ": '" + text + "' is not NAME://HOST:PORT"};
  }
  auto at = parse_endpoint(std::string_view(text).substr(scheme + 3));
  if (!at) return Error{Errc::invalid_config, std::string(key) + ": '" + text + "' is not NAME://HOST:PORT"};
  return metadata::ListenerEndpoint{text.substr(0, scheme), at->host, at->port};
}

Status check_protocols(const NodeConfig& config) {
  std::map<std::string, std::string> protocols{{"PLAINTEXT", "PLAINTEXT"}};
  for (const std::string& item : config_list(config.values, kListenerProtocols)) {
    const size_t colon = item.find(':');
    if (colon == std::string::npos)
      return Error{Errc::invalid_config, "listener.security.protocol.map: '" + item + "' is not NAME:PROTOCOL"};
    protocols[item.substr(0, colon)] = item.substr(colon + 1);
  }
  for (const server::ListenerOptions& listener : config.listeners) {
    const auto found = protocols.find(listener.name);
    if (found == protocols.end()) {
      return Error{Errc::invalid_config, "listener " + listener.name + " has no protocol: add " + listener.name +
                                             ":PLAINTEXT to listener.security.protocol.map"};
    }
    if (found->second != "PLAINTEXT") {
      return Error{Errc::invalid_config,
                   "listener " + listener.name + ": protocol " + found->second + " is not available; PLAINTEXT is"};
    }
  }
  return ok();
}

bool is_any_address(const std::string& host) { return host.empty() || host == "0.0.0.0" || host == "::"; }

Status read_listeners(NodeConfig& config) {
  for (const std::string& item : config_list(config.values, kListeners)) {
    TRY_ASSIGN(const metadata::ListenerEndpoint listener, parse_listener(kListeners.name, item));
    for (const server::ListenerOptions& other : config.listeners) {
      if (other.name == listener.listener)
        return Error{Errc::invalid_config, "listeners: " + listener.listener + " is there twice"};
    }
    config.listeners.push_back({listener.listener, {listener.host.empty() ? "0.0.0.0" : listener.host, listener.port}});
  }
  if (config.listeners.empty()) return Error{Errc::invalid_config, "listeners: at least one is needed"};
  TRY(check_protocols(config));
  std::map<std::string, metadata::ListenerEndpoint> advertised;
  for (const std::string& item : config_list(config.values, kAdvertisedListeners)) {
    TRY_ASSIGN(metadata::ListenerEndpoint listener, parse_listener(kAdvertisedListeners.name, item));
    advertised[listener.listener] = listener;
  }
  for (const server::ListenerOptions& listener : config.listeners) {
    const auto found = advertised.find(listener.name);
    metadata::ListenerEndpoint told =
        found != advertised.end() ? found->second : metadata::ListenerEndpoint{listener.name, listener.at.host, 0};
    if (is_any_address(told.host)) {
      return Error{Errc::invalid_config,
                   "listener " + listener.name +
                       " takes connections on all addresses: set advertised.listeners to the one that clients reach"};
    }
    config.advertised.push_back(std::move(told));
    if (found != advertised.end()) advertised.erase(found);
  }
  if (!advertised.empty())
    return Error{Errc::invalid_config,
                 "advertised.listeners: " + advertised.begin()->first + " is not among listeners"};
  return ok();
}

// ID@HOST:PORT
Status read_voters(NodeConfig& config) {
  const auto refuse = [](const std::string& item, const std::string& why) {
    return Error{Errc::invalid_config, std::string(kQuorumVoters.name) + ": '" + item + "' " + why};
  };
  for (const std::string& item : config_list(config.values, kQuorumVoters)) {
    const size_t at = item.find('@');
    int32_t id = -1;
    const auto [end, error] = std::from_chars(item.data(), item.data() + std::min(at, item.size()), id);
    auto address = at == std::string::npos ? Result<io::Endpoint>(Errc::invalid_config)
                                           : parse_endpoint(std::string_view(item).substr(at + 1));
    if (error != std::errc{} || end != item.data() + std::min(at, item.size()) || id < 0 || !address) {
      return refuse(item, "is not ID@HOST:PORT");
    }
    if (address->host.empty() || address->port == 0) return refuse(item, "names no address that others can reach");
    if (!config.voters.emplace(BrokerId{id}, *address).second) return refuse(item, "is the second one of that id");
  }
  if (config.voters.size() > 1 && config.voters.size() % 2 == 0) {
    config.warnings.push_back(std::string(kQuorumVoters.name) + " names " + std::to_string(config.voters.size()) +
                              " brokers: one more or one less survives the loss of as many");
  }
  return ok();
}

Status read_rpc(NodeConfig& config) {
  auto listener = parse_endpoint(config_string(config.values, kRpcListener));
  if (!listener) return Error{Errc::invalid_config, std::string(kRpcListener.name) + ": " + listener.error().context};
  config.rpc = *listener;
  TRY(read_voters(config));
  const std::string advertised = config_string(config.values, kRpcAdvertised);
  if (!advertised.empty()) {
    auto told = parse_endpoint(advertised);
    if (!told) return Error{Errc::invalid_config, std::string(kRpcAdvertised.name) + ": " + told.error().context};
    config.rpc_advertised = *told;
  } else if (const auto self = config.voters.find(config.id); self != config.voters.end()) {
    config.rpc_advertised = self->second;
  } else {
    config.rpc_advertised = {config.rpc.host, 0};
  }
  if (is_any_address(config.rpc_advertised.host) && !config.voters.empty()) {
    return Error{Errc::invalid_config, std::string(kRpcListener.name) + " takes connections on all addresses: set " +
                                           std::string(kRpcAdvertised.name) + " to the one that other brokers reach"};
  }
  if (config.voters.empty()) config.voters[config.id] = config.rpc_advertised;
  return ok();
}

}  // namespace

std::span<const ConfigKey> all_config_keys() {
  static const std::vector<ConfigKey> keys = [] {
    std::vector<ConfigKey> all;
    const auto add = [&](std::span<const ConfigKey> table) { all.insert(all.end(), table.begin(), table.end()); };
    add(kAppConfig);
    add(server::kServerConfig);
    add(metadata::metadata_config());
    add(storage::kStorageConfig);
    add(replication::kReplicationConfig);
    add(coordinator::kCoordinatorConfig);
    std::sort(all.begin(), all.end(), [](const ConfigKey& a, const ConfigKey& b) { return a.name < b.name; });
    return all;
  }();
  return keys;
}

Result<io::Endpoint> parse_endpoint(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos)
    return Error{Errc::invalid_config, "'" + std::string(text) + "' is not HOST:PORT"};
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size())
    return Error{Errc::invalid_config, "'" + std::string(text) + "' is not HOST:PORT"};
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return io::Endpoint{std::string(host), port};
}

Result<NodeConfig> read_node_config(io::FileSystem& fs, const ConfigSources& sources) {
  NodeConfig config;
  TRY_ASSIGN(const std::vector<Setting> settings, collect(fs, sources));
  for (const Setting& setting : settings) TRY(take(setting, config));
  config.id = BrokerId(static_cast<int32_t>(config_int(config.values, kNodeId)));
  config.data_dir = config_string(config.values, kLogDirs);
  if (config.data_dir.empty() || config.data_dir.find(',') != std::string::npos) {
    return Error{Errc::invalid_config, "log.dirs: '" + config.data_dir + "' must be exactly one directory"};
  }
  TRY(read_listeners(config));
  auto http = parse_endpoint(config_string(config.values, kHttpListener));
  if (!http) return Error{Errc::invalid_config, std::string(kHttpListener.name) + ": " + http.error().context};
  config.http = *std::move(http);
  TRY(read_rpc(config));
  config.cluster_id = config_string(config.values, kClusterId);
  config.rack = config_string(config.values, kRack);
  return config;
}

}  // namespace millrace::app
