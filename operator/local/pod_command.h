#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "operator/kube/object.h"

// What a pod object says about its process, as pure functions; the rules are in operator/README.md.
namespace millrace::local {

using Ports = std::map<std::string, uint16_t>;  // by the name of the container port

inline constexpr std::string_view kLocalHost = "127.0.0.1";
inline constexpr std::string_view kPortsAnnotation = "millrace.dev/local-ports";
inline constexpr std::string_view kPidAnnotation = "millrace.dev/local-pid";

// Ports that the first container asks for.
Ports wanted_ports(const kube::Object& pod);
// The number to try first for a port that the container asks for: pods of one set are kPortStride apart, the first one
// has what it asks for. Below those that a system gives to outgoing connections, which could take it while its pod is
// down.
inline constexpr uint16_t kPortStride = 100;
inline constexpr uint16_t kPreferredPortMax = 32'000;
uint16_t preferred_port(const kube::Object& pod, uint16_t wanted);
// Ports that the pod was given; empty when none yet.
Ports given_ports(const kube::Object& pod);
std::string ports_text(const Ports& ports);
Ports parse_ports(std::string_view text);

struct Volume {
  enum class Source : uint8_t { config_map, claim, empty };
  std::string name;
  Source source = Source::empty;
  std::string object;      // the ConfigMap's or the claim's name
  std::string mount_path;  // "" when the first container does not mount it
};
// invalid_argument for a volume of a kind that has no local form.
Result<std::vector<Volume>> volumes_of(const kube::Object& pod);

// Name and value of each variable of the first container, in order, references resolved, with the local addresses.
std::vector<std::pair<std::string, std::string>> environment_of(const kube::Object& pod, const Ports& ports);

struct Mount {
  std::string path;       // in the pod
  std::string directory;  // on this machine
};
// command and args with variables and paths replaced. invalid_argument when the container has no command.
Result<std::vector<std::string>> arguments_of(const kube::Object& pod,
                                              const std::vector<std::pair<std::string, std::string>>& environment,
                                              const std::vector<Mount>& mounts);

struct Probe {
  std::string path;
  uint16_t port = 0;  // 0: no readiness probe, ready as soon as it runs
  std::chrono::seconds period{10};
  std::chrono::seconds timeout{1};
  int64_t failures_max = 3;
};
Probe readiness_of(const kube::Object& pod, const Ports& ports);
std::chrono::seconds grace_of(const kube::Object& pod);

}  // namespace millrace::local
