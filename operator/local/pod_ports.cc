// Which ports of 127.0.0.1 a pod has, and how others learn of them.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "operator/local/object_rules.h"
#include "operator/local/pods.h"
#include "operator/local/stateful_sets.h"

namespace millrace::local {

using kube::Json;
using kube::Object;

namespace {

bool same_names(const Ports& a, const Ports& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return x.first == y.first; });
}

}  // namespace

Result<bool> Pods::give_ports(const std::vector<Object>& pods) {
  bool changed = false;
  Status first = ok();
  for (const Object& pod : pods) {
    if (pod.is_deleting() || !pod.has_finalizer(kProcessFinalizer)) continue;
    Life& life = life_of(pod);
    const bool is_due = !life.process && options_.clock->now() >= life.start_after;
    if (!is_due || life.has_ports) continue;
    const Result<bool> given = give_ports(pod, pods);
    if (given) {
      changed = changed || *given;
      life.has_ports = true;
    } else if (first) {
      first = given.error();
    }
  }
  TRY(first);
  return changed;
}

// Ports are looked at anew before each start: another program may have taken one while nothing ran here.
Result<bool> Pods::give_ports(const Object& pod, const std::vector<Object>& pods) {
  const Ports wanted = wanted_ports(pod);
  const Ports given = given_ports(pod);
  Ports before = given;
  if (!same_names(before, wanted)) before = remembered_ports(pod.key());
  std::set<uint16_t> taken;
  for (const Object& other : pods) {
    if (other.uid() == pod.uid()) continue;
    // As the object is now: it may have got its ports in this very step.
    const Result<Object> now = options_.client->get(other.key());
    for (const auto& [name, port] : given_ports(now ? *now : other)) taken.insert(port);
  }
  Ports result;
  for (const auto& [name, port] : wanted) {
    const auto had = before.find(name);
    const uint16_t preferred = had == before.end() ? preferred_port(pod, port) : had->second;
    TRY_ASSIGN(result[name], options_.ports->choose(preferred, taken));
    taken.insert(result[name]);
  }
  if (result == given) return false;
  TRY(options_.fs->create_directories(pod_directory(pod.key())));
  TRY(io::write_file_atomically(*options_.fs, ports_path(pod.key()), ports_text(result)));
  // Before any process of this step: others are told of these ports, and must not take them.
  Json value = pod.json();
  value["metadata"]["annotations"][std::string(kPortsAnnotation)] = ports_text(result);
  TRY(options_.client->update(Object(std::move(value))));
  return true;
}

std::string Pods::ports_path(const kube::ObjectKey& pod) const {
  return io::join_path(pod_directory(pod), "ports.json");
}

Ports Pods::remembered_ports(const kube::ObjectKey& pod) const {
  const Result<std::string> text = io::read_small_file(*options_.fs, ports_path(pod));
  return text ? parse_ports(*text) : Ports();
}

std::optional<Ports> Pods::ports_of(const kube::ObjectKey& pod) const {
  const Result<Object> object = options_.client->get(pod);
  Ports ports = object ? given_ports(*object) : Ports();
  if (ports.empty()) ports = remembered_ports(pod);  // it is between two lives
  return ports.empty() ? std::nullopt : std::optional(std::move(ports));
}

}  // namespace millrace::local
