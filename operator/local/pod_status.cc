#include <nlohmann/json.hpp>

#include "operator/local/object_rules.h"
#include "operator/local/pods.h"

namespace millrace::local {

using kube::Json;
using kube::Object;

namespace {

// Of the condition before: the time stays while the status does.
std::string transition_time(const Object& pod, const std::string& status, Timestamp now) {
  if (pod.has({"status", "conditions"})) {
    for (const Json& condition : pod.json()["status"]["conditions"]) {
      if (condition.value("type", "") == "Ready" && condition.value("status", "") == status) {
        return condition.value("lastTransitionTime", rfc3339(now));
      }
    }
  }
  return rfc3339(now);
}

Result<Object> with_pid(kube::Client& client, const Object& pod, const std::string& pid) {
  if (pod.annotation(kPidAnnotation) == pid) return pod;
  Json value = pod.json();
  if (pid.empty()) {
    value["metadata"]["annotations"].erase(std::string(kPidAnnotation));
  } else {
    value["metadata"]["annotations"][std::string(kPidAnnotation)] = pid;
  }
  return client.update(Object(std::move(value)));
}

}  // namespace

Status Pods::write_status(const Object& pod, const Life& life) {
  const std::string pid = life.process ? std::to_string(life.process->pid()) : std::string();
  const Result<Object> current = with_pid(*options_.client, pod, pid);
  if (!current) {  // conflict: the next step writes it
    return current.error().code == Errc::conflict || current.error().code == Errc::not_found ? ok()
                                                                                             : Status(current.error());
  }
  const std::string ready = life.is_ready ? "True" : "False";
  Json condition{{"type", "Ready"},
                 {"status", ready},
                 {"lastTransitionTime", transition_time(pod, ready, options_.clock->wall_ms())}};
  if (!life.is_ready) {
    condition["reason"] = "ContainersNotReady";
    condition["message"] = life.process ? "the process runs and is not ready yet" : life.waiting_for;
  }
  Json container{{"name", "main"},
                 {"ready", life.is_ready},
                 {"started", life.process != nullptr},
                 {"restartCount", life.restarts}};
  if (pod.has({"spec", "containers"})) {
    const Json& containers = pod.json()["spec"]["containers"];
    if (containers.is_array() && !containers.empty()) container["name"] = containers[0].value("name", "main");
  }
  if (life.process) {
    container["state"]["running"]["startedAt"] = life.started_text;
  } else {
    container["state"]["waiting"]["reason"] = life.restarts > 0 ? "CrashLoopBackOff" : "ContainerCreating";
    container["state"]["waiting"]["message"] = life.waiting_for;
  }
  if (!life.last_end.empty()) {
    container["lastState"]["terminated"] = {
        {"exitCode", life.last_exit.code}, {"signal", life.last_exit.signal}, {"finishedAt", life.last_end}};
  }
  const Object wanted = current->with_status({{"phase", life.process ? "Running" : "Pending"},
                                              {"podIP", "127.0.0.1"},
                                              {"hostIP", "127.0.0.1"},
                                              {"conditions", Json::array({std::move(condition)})},
                                              {"containerStatuses", Json::array({std::move(container)})}});
  if (wanted.json() == current->json()) return ok();
  const Result<Object> written = options_.client->update_status(wanted);
  if (written || written.error().code == Errc::conflict || written.error().code == Errc::not_found) return ok();
  return written.error();
}

}  // namespace millrace::local
