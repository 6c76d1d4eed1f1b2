#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/logger.h"
#include "broker/io/file_system.h"
#include "broker/io/loopback_ports.h"
#include "broker/io/process.h"
#include "operator/kube/client.h"
#include "operator/local/pod_command.h"

namespace millrace::local {

// Whether GET http://127.0.0.1:PORT/PATH answers with 2xx in time.
using Prober = std::function<bool(const Probe& probe)>;

struct PodsOptions {
  std::string directory;          // of the local cluster; absolute, for programs run elsewhere
  std::string program_directory;  // where a command without '/' is sought first
  kube::Client* client = nullptr;
  io::FileSystem* fs = nullptr;
  Clock* clock = nullptr;
  io::ProcessRunner* runner = nullptr;
  io::LoopbackPorts* ports = nullptr;
  Prober probe;
};

// What a node does: makes pods processes, as operator/README.md says. In the directory:
//
//   pods/NAMESPACE/POD/{ports.json,volumes/…}   ports outlive the pod, volumes do not
//   volumes/NAMESPACE/CLAIM                     goes with the claim's object
//   logs/NAMESPACE/POD.log                      standard output and error of all its processes
//
// A process that ends is started again: at once when it ran for kSteadyAfter, else after a pause that doubles up to
// kRestartPauseMax. One thread: the one whose end ends the processes.
class Pods {
 public:
  static constexpr std::chrono::milliseconds kRestartPauseMin{200};
  static constexpr std::chrono::seconds kRestartPauseMax{10};
  static constexpr std::chrono::seconds kSteadyAfter{10};
  static constexpr std::chrono::milliseconds kFirstProbes{50};  // between probes until the pod is ready
  static constexpr std::chrono::milliseconds kWaitForObjects{200};

  explicit Pods(PodsOptions options) : options_(std::move(options)) {}

  // Does what is due now and never waits, but for a probe's timeout. The first error; other pods are cared for anyway.
  Status step();
  // Asks all processes to end; kills those that outlive their grace. True when all have ended and their pods say so.
  // Call it until then. Pods stay: they run again with the next Pods.
  bool stop();

 private:
  struct Life {  // of one pod object
    std::string uid;
    std::unique_ptr<io::Process> process;
    TimePoint started_at{};
    TimePoint start_after{};
    TimePoint probe_after{};
    TimePoint kill_after{};
    bool has_ports = false;  // looked at for the next start
    bool was_asked_to_end = false;
    bool was_killed = false;
    bool is_ready = false;
    int64_t failures = 0;  // of the probe, in a row
    int64_t restarts = 0;
    std::chrono::milliseconds pause{0};
    std::chrono::seconds grace{0};
    std::string started_text;
    std::string waiting_for;  // why there is no process
    std::string last_end;
    io::ExitStatus last_exit;
  };

  Life& life_of(const kube::Object& pod);
  Status care_for(const kube::Object& pod);
  Status start(const kube::Object& pod, Life& life);
  Result<std::vector<Mount>> make_volumes(const kube::Object& pod);
  // Chooses the ports of all pods that are about to start; true when an object changed by that.
  Result<bool> give_ports(const std::vector<kube::Object>& pods);
  Result<bool> give_ports(const kube::Object& pod, const std::vector<kube::Object>& pods);
  std::optional<Ports> ports_of(const kube::ObjectKey& pod) const;
  Ports remembered_ports(const kube::ObjectKey& pod) const;
  std::string ports_path(const kube::ObjectKey& pod) const;
  Result<std::string> localized(std::string_view text, const kube::Object& pod) const;
  void look_for_end(const kube::Object& pod, Life& life);
  void probe(const kube::Object& pod, Life& life);
  bool has_ended(Life& life);  // presses on: SIGTERM, later SIGKILL
  Status let_go(const kube::Object& pod);
  Status write_status(const kube::Object& pod, const Life& life);
  Status remove_claims();
  std::string pod_directory(const kube::ObjectKey& key) const;
  std::string place(std::string_view part, const std::string& name_space, const std::string& name) const;

  const PodsOptions options_;
  const Logger log_{"local"};
  std::map<kube::ObjectKey, Life> lives_;
  std::vector<Life> orphans_;  // their objects are gone
};

}  // namespace millrace::local
