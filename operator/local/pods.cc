#include "operator/local/pods.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "operator/local/object_rules.h"
#include "operator/local/pod_names.h"
#include "operator/local/stateful_sets.h"

namespace millrace::local {

using kube::Json;
using kube::Object;

namespace {

// Somebody else changed the object meanwhile; the next step looks at it anew.
Status unless_raced(const Result<Object>& result) {
  if (result || result.error().code == Errc::conflict || result.error().code == Errc::not_found) return ok();
  return result.error();
}

}  // namespace

Status Pods::step() {
  TRY_ASSIGN(std::vector<Object> pods, options_.client->list("Pod", "", {}));
  std::set<std::string> uids;
  for (const Object& pod : pods) uids.insert(pod.uid());
  for (auto it = lives_.begin(); it != lives_.end();) {
    const bool is_known = uids.contains(it->second.uid);
    if (!is_known) orphans_.push_back(std::move(it->second));
    it = is_known ? std::next(it) : lives_.erase(it);
  }
  std::erase_if(orphans_, [this](Life& life) { return has_ended(life); });
  const Result<bool> given = give_ports(pods);
  Status first = given ? ok() : Status(given.error());
  if (given && *given) {
    TRY_ASSIGN(pods, options_.client->list("Pod", "", {}));
  }
  for (const Object& pod : pods) {
    Status done = care_for(pod);
    if (!done && first) first = std::move(done);
  }
  Status claims = remove_claims();
  return first ? claims : first;
}

Pods::Life& Pods::life_of(const Object& pod) {
  Life& life = lives_[pod.key()];
  if (life.uid.empty()) {
    life.uid = pod.uid();
    life.grace = grace_of(pod);
  }
  return life;
}

Status Pods::care_for(const Object& pod) {
  Life& life = life_of(pod);
  if (pod.is_deleting()) return has_ended(life) ? let_go(pod) : ok();
  if (!pod.has_finalizer(kProcessFinalizer))
    return unless_raced(options_.client->update(pod.with_finalizer(kProcessFinalizer)));
  look_for_end(pod, life);
  if (!life.process && life.has_ports && options_.clock->now() >= life.start_after) {
    Status started = start(pod, life);
    if (!started) {
      if (life.waiting_for != started.error().to_string()) {
        log_.warn("pod cannot start", {{"pod", pod.name()}, {"error", started.error().to_string()}});
      }
      life.waiting_for = started.error().to_string();
      life.start_after = options_.clock->now() + kWaitForObjects;
    }
    if (started && life.process) return ok();  // the object has changed: its status is for the next step
  }
  probe(pod, life);
  return write_status(pod, life);
}

void Pods::look_for_end(const Object& pod, Life& life) {
  if (!life.process) return;
  const std::optional<io::ExitStatus> end = life.process->exit_status();
  if (!end) return;
  const TimePoint now = options_.clock->now();
  const bool was_steady = now - life.started_at >= kSteadyAfter;
  life.process.reset();
  life.has_ports = false;
  life.is_ready = false;
  life.failures = 0;
  life.pause = was_steady ? std::chrono::milliseconds(0)
                          : std::clamp<std::chrono::milliseconds>(life.pause * 2, kRestartPauseMin, kRestartPauseMax);
  life.start_after = now + life.pause;
  ++life.restarts;
  life.last_exit = *end;
  life.last_end = rfc3339(options_.clock->wall_ms());
  life.waiting_for = end->to_string() + "; see " + place("logs", pod.name_space(), pod.name()) + ".log";
  log_.warn("pod's process ended",
            {{"pod", pod.name()}, {"how", end->to_string()}, {"restart_ms", life.pause.count()}});
}

// Order: ports and volumes are on disk before the object tells of them, and the object tells of the process only after
// it exists.
Status Pods::start(const Object& pod, Life& life) {
  TRY_ASSIGN(const std::vector<Mount> mounts, make_volumes(pod));
  const auto variables = environment_of(pod, given_ports(pod));
  TRY_ASSIGN(std::vector<std::string> argv, arguments_of(pod, variables, mounts));
  for (std::string& word : argv) {
    TRY_ASSIGN(word, localized(word, pod));
  }
  if (argv[0].find('/') == std::string::npos && !options_.program_directory.empty()) {
    const std::string beside = io::join_path(options_.program_directory, argv[0]);
    TRY_ASSIGN(const bool is_beside, options_.fs->exists(beside));
    if (is_beside) argv[0] = beside;
  }
  const std::string output = place("logs", pod.name_space(), pod.name()) + ".log";
  TRY(options_.fs->create_directories(io::parent_path(output)));
  TRY_ASSIGN(life.process, options_.runner->start({.argv = std::move(argv),
                                                   .env = {variables.begin(), variables.end()},
                                                   .working_directory = pod_directory(pod.key()),
                                                   .output_path = output}));
  const TimePoint now = options_.clock->now();
  life.started_at = life.probe_after = now;
  life.started_text = rfc3339(options_.clock->wall_ms());
  life.waiting_for.clear();
  log_.info("pod started", {{"pod", pod.name()}, {"pid", life.process->pid()}});
  return ok();
}

Result<std::string> Pods::localized(std::string_view text, const Object& pod) const {
  return with_local_addresses(text, pod, [this](const kube::ObjectKey& sibling) { return ports_of(sibling); });
}

Result<std::vector<Mount>> Pods::make_volumes(const Object& pod) {
  TRY_ASSIGN(const std::vector<Volume> volumes, volumes_of(pod));
  std::vector<Mount> result;
  for (const Volume& volume : volumes) {
    std::string directory = io::join_path(io::join_path(pod_directory(pod.key()), "volumes"), volume.name);
    if (volume.source == Volume::Source::claim) directory = place("volumes", pod.name_space(), volume.object);
    TRY(options_.fs->create_directories(directory));
    if (volume.source == Volume::Source::config_map) {
      TRY_ASSIGN(const Object map, options_.client->get({"ConfigMap", pod.name_space(), volume.object}));
      if (map.has({"data"})) {
        for (const auto& [name, text] : map.json()["data"].items()) {
          if (!text.is_string() || name.find('/') != std::string::npos) continue;
          TRY_ASSIGN(const std::string local, localized(text.get<std::string>(), pod));
          TRY(io::write_file_atomically(*options_.fs, io::join_path(directory, name), local));
        }
      }
    }
    if (!volume.mount_path.empty()) result.push_back({volume.mount_path, directory});
  }
  return result;
}

void Pods::probe(const Object& pod, Life& life) {
  const TimePoint now = options_.clock->now();
  if (!life.process || now < life.probe_after) return;
  const Probe probe = readiness_of(pod, given_ports(pod));
  const bool answers = probe.port == 0 || options_.probe(probe);
  life.failures = answers ? 0 : life.failures + 1;
  if (answers) life.is_ready = true;
  if (life.failures >= probe.failures_max) life.is_ready = false;
  life.probe_after = now + (life.is_ready ? Duration(probe.period) : Duration(kFirstProbes));
}

bool Pods::has_ended(Life& life) {
  if (!life.process || life.process->exit_status()) {
    life.process.reset();
    return true;
  }
  const TimePoint now = options_.clock->now();
  if (!life.was_asked_to_end) {
    life.was_asked_to_end = true;
    life.kill_after = now + life.grace;
    life.process->terminate();
  } else if (!life.was_killed && now >= life.kill_after) {
    life.was_killed = true;
    life.process->kill();
  }
  if (!life.process->exit_status()) return false;
  life.process.reset();
  return true;
}

Status Pods::let_go(const Object& pod) {
  TRY(options_.fs->remove_all(io::join_path(pod_directory(pod.key()), "volumes")));
  return unless_raced(options_.client->update(pod.without_finalizer(kProcessFinalizer)));
}

bool Pods::stop() {
  bool all_ended = true;
  for (auto& [key, life] : lives_) {
    if (!has_ended(life)) all_ended = false;
  }
  std::erase_if(orphans_, [this](Life& life) { return has_ended(life); });
  if (!all_ended || !orphans_.empty()) return false;
  for (auto& [key, life] : lives_) {
    life.is_ready = false;
    life.waiting_for = "the local cluster is stopped";
    const Result<Object> pod = options_.client->get(key);
    if (pod) (void)write_status(*pod, life);  // a status that stays outdated is renewed by the next start
  }
  lives_.clear();
  return true;
}

// A claim that is being deleted goes when no pod uses it any more.
Status Pods::remove_claims() {
  TRY_ASSIGN(const std::vector<Object> claims, options_.client->list("PersistentVolumeClaim", "", {}));
  for (const Object& claim : claims) {
    if (!claim.is_deleting() || !claim.has_finalizer(kVolumeFinalizer)) continue;
    TRY_ASSIGN(const std::vector<Object> pods, options_.client->list("Pod", claim.name_space(), {}));
    const bool is_used = std::any_of(pods.begin(), pods.end(), [&](const Object& pod) {
      const Result<std::vector<Volume>> volumes = volumes_of(pod);
      return volumes && std::any_of(volumes->begin(), volumes->end(), [&](const Volume& volume) {
               return volume.source == Volume::Source::claim && volume.object == claim.name();
             });
    });
    if (is_used) continue;
    TRY(options_.fs->remove_all(place("volumes", claim.name_space(), claim.name())));
    TRY(unless_raced(options_.client->update(claim.without_finalizer(kVolumeFinalizer))));
  }
  return ok();
}

std::string Pods::place(std::string_view part, const std::string& name_space, const std::string& name) const {
  return io::join_path(io::join_path(io::join_path(options_.directory, part), name_space), name);
}

std::string Pods::pod_directory(const kube::ObjectKey& key) const { return place("pods", key.name_space, key.name); }

}  // namespace millrace::local
