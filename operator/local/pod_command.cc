#include "operator/local/pod_command.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <nlohmann/json.hpp>

namespace millrace::local {

using kube::Json;
using kube::Object;

namespace {

constexpr int64_t kGraceSecondsDefault = 30;
constexpr int64_t kSecondsMax = 3600;
// A process of this machine answers at once or hangs; one that hangs must not keep the others from being cared for.
constexpr int64_t kProbeSecondsMax = 1;

const Json& member(const Json& object, std::string_view name) {
  static const Json nothing;
  if (!object.is_object()) return nothing;
  const auto found = object.find(name);
  return found == object.end() ? nothing : *found;
}

std::string text(const Json& object, std::string_view name) {
  const Json& value = member(object, name);
  return value.is_string() ? value.get<std::string>() : std::string();
}

int64_t number(const Json& object, std::string_view name, int64_t fallback) {
  const Json& value = member(object, name);
  return value.is_number_integer() ? value.get<int64_t>() : fallback;
}

const Json& container(const Object& pod) {
  static const Json nothing;
  const Json& all = member(member(pod.json(), "spec"), "containers");
  return all.is_array() && !all.empty() ? all[0] : nothing;
}

std::string port_variable(std::string_view name) {
  std::string result = "PORT_";
  for (const char c : name) {
    result += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return result;
}

std::string field(const Object& pod, std::string_view path) {
  constexpr std::string_view kLabels = "metadata.labels['";
  if (path == "metadata.name") return pod.name();
  if (path == "metadata.namespace") return pod.name_space();
  if (path.starts_with(kLabels) && path.ends_with("']")) {
    return pod.label(path.substr(kLabels.size(), path.size() - kLabels.size() - 2));
  }
  return "";
}

using Variables = std::vector<std::pair<std::string, std::string>>;

// $(NAME) by its value, $$ by $; unknown names stay as they are, as in Kubernetes.
std::string expand(std::string_view given, const Variables& variables) {
  std::string result;
  for (size_t i = 0; i < given.size(); ++i) {
    if (given[i] != '$' || i + 1 == given.size()) {
      result += given[i];
      continue;
    }
    if (given[i + 1] == '$') {
      result += '$';
      ++i;
      continue;
    }
    const size_t end = given.find(')', i);
    const std::string_view name =
        given[i + 1] == '(' && end != std::string_view::npos ? given.substr(i + 2, end - i - 2) : std::string_view();
    const auto found =
        std::find_if(variables.rbegin(), variables.rend(), [&](const auto& one) { return one.first == name; });
    if (name.empty() || found == variables.rend()) {
      result += '$';
      continue;
    }
    result += found->second;
    i = end;
  }
  return result;
}

bool is_path_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '/' || c == '.' || c == '_' || c == '-';
}

// In one pass, so that a directory of this machine is never taken for a path in the pod.
std::string replace_paths(const std::string& given, const std::vector<Mount>& mounts) {
  std::string result;
  for (size_t at = 0; at < given.size();) {
    const Mount* longest = nullptr;
    const bool begins = at == 0 || !is_path_character(given[at - 1]);
    for (const Mount& mount : mounts) {
      const size_t end = at + mount.path.size();
      const bool matches = begins && !mount.path.empty() && given.compare(at, mount.path.size(), mount.path) == 0 &&
                           (end == given.size() || given[end] == '/' || !is_path_character(given[end]));
      if (matches && (longest == nullptr || mount.path.size() > longest->path.size())) longest = &mount;
    }
    if (longest == nullptr) {
      result += given[at++];
    } else {
      result += longest->directory;
      at += longest->path.size();
    }
  }
  return result;
}

}  // namespace

Ports wanted_ports(const Object& pod) {
  Ports result;
  for (const Json& port : member(container(pod), "ports")) {
    const int64_t wanted = number(port, "containerPort", 0);
    if (wanted > 0 && wanted <= UINT16_MAX) result[text(port, "name")] = static_cast<uint16_t>(wanted);
  }
  return result;
}

uint16_t preferred_port(const Object& pod, uint16_t wanted) {
  const std::string index = pod.label("apps.kubernetes.io/pod-index");
  uint32_t ordinal = 0;
  std::from_chars(index.data(), index.data() + index.size(), ordinal);
  const uint64_t preferred = wanted + uint64_t{ordinal} * kPortStride;
  return ordinal == 0 || preferred <= kPreferredPortMax ? static_cast<uint16_t>(preferred) : wanted;
}

Ports given_ports(const Object& pod) { return parse_ports(pod.annotation(kPortsAnnotation)); }

std::string ports_text(const Ports& ports) {
  Json result = Json::object();
  for (const auto& [name, port] : ports) result[name] = port;
  return result.dump();
}

Ports parse_ports(std::string_view given) {
  Ports result;
  const Json all = Json::parse(given, nullptr, /*allow_exceptions=*/false);
  if (!all.is_object()) return result;
  for (const auto& [name, port] : all.items()) {
    if (port.is_number_unsigned() && port.get<uint64_t>() <= UINT16_MAX) result[name] = port.get<uint16_t>();
  }
  return result;
}

Result<std::vector<Volume>> volumes_of(const Object& pod) {
  std::vector<Volume> result;
  for (const Json& given : member(member(pod.json(), "spec"), "volumes")) {
    Volume volume{.name = text(given, "name"), .source = Volume::Source::empty, .object = "", .mount_path = ""};
    if (given.contains("configMap")) {
      volume.source = Volume::Source::config_map;
      volume.object = text(given["configMap"], "name");
    } else if (given.contains("persistentVolumeClaim")) {
      volume.source = Volume::Source::claim;
      volume.object = text(given["persistentVolumeClaim"], "claimName");
    } else if (!given.contains("emptyDir")) {
      return Error{Errc::invalid_argument,
                   "volume " + volume.name + ": only configMap, persistentVolumeClaim and emptyDir exist locally"};
    }
    for (const Json& mount : member(container(pod), "volumeMounts")) {
      if (text(mount, "name") == volume.name) volume.mount_path = text(mount, "mountPath");
    }
    result.push_back(std::move(volume));
  }
  return result;
}

Variables environment_of(const Object& pod, const Ports& ports) {
  Variables local{{"LISTEN_HOST", std::string(kLocalHost)}, {"ADVERTISED_HOST", std::string(kLocalHost)}};
  for (const auto& [name, port] : ports) local.emplace_back(port_variable(name), std::to_string(port));
  Variables result;
  for (const Json& given : member(container(pod), "env")) {
    const std::string name = text(given, "name");
    const auto ours = std::find_if(local.begin(), local.end(), [&](const auto& one) { return one.first == name; });
    if (ours != local.end()) continue;
    const Json& from = member(member(given, "valueFrom"), "fieldRef");
    result.emplace_back(name,
                        from.is_object() ? field(pod, text(from, "fieldPath")) : expand(text(given, "value"), result));
  }
  result.insert(result.end(), local.begin(), local.end());
  return result;
}

Result<std::vector<std::string>> arguments_of(const Object& pod, const Variables& environment,
                                              const std::vector<Mount>& mounts) {
  std::vector<std::string> result;
  for (const char* part : {"command", "args"}) {
    for (const Json& word : member(container(pod), part)) {
      if (!word.is_string()) continue;
      result.push_back(replace_paths(expand(word.get<std::string>(), environment), mounts));
    }
    if (result.empty()) return Error{Errc::invalid_argument, pod.key().to_string() + ": its container has no command"};
  }
  return result;
}

Probe readiness_of(const Object& pod, const Ports& ports) {
  const Json& probe = member(container(pod), "readinessProbe");
  const Json& get = member(probe, "httpGet");
  Probe result;
  if (!get.is_object()) return result;
  const Json& port = member(get, "port");
  if (port.is_string()) {
    const auto found = ports.find(port.get<std::string>());
    result.port = found == ports.end() ? uint16_t{0} : found->second;
  }
  result.path = text(get, "path");
  result.period = std::chrono::seconds(std::clamp<int64_t>(number(probe, "periodSeconds", 10), 1, kSecondsMax));
  result.timeout = std::chrono::seconds(std::clamp<int64_t>(number(probe, "timeoutSeconds", 1), 1, kProbeSecondsMax));
  result.failures_max = std::max<int64_t>(number(probe, "failureThreshold", 3), 1);
  return result;
}

std::chrono::seconds grace_of(const Object& pod) {
  const int64_t given = pod.number_at({"spec", "terminationGracePeriodSeconds"}, kGraceSecondsDefault);
  return std::chrono::seconds(std::clamp<int64_t>(given, 0, kSecondsMax));
}

}  // namespace millrace::local
