#pragma once

#include <map>
#include <memory>
#include <set>

#include "broker/base/mutex.h"
#include "broker/io/loopback_ports.h"
#include "broker/io/process.h"

namespace millrace::io::sim {

// Processes that exist only as facts: they run until a test ends them, or until they are asked to. Thread-safe;
// outlives the Process objects it made.
class SimProcessRunner final : public ProcessRunner {
 public:
  Result<std::unique_ptr<Process>> start(const ProcessOptions& options) override;

  // Those that run, by pid; pids ascend in the order of starts.
  std::map<int64_t, ProcessOptions> running() const;
  size_t starts() const;
  void end(int64_t pid, ExitStatus status);
  // Those that start from now on do not end by SIGTERM.
  void ignore_terminate(bool ignore);
  // The next start fails.
  void fail_start(Errc code);

 private:
  friend class SimProcess;
  struct Fact {
    ProcessOptions options;
    bool ignores_terminate = false;
    std::optional<ExitStatus> ended;
  };

  mutable Mutex mutex_;  // a leaf
  std::map<int64_t, Fact> facts_ GUARDED_BY(mutex_);
  bool ignore_ GUARDED_BY(mutex_) = false;
  std::optional<Errc> failure_ GUARDED_BY(mutex_);
};

// All ports are free except those that a test takes. Thread-safe only when no test takes ports meanwhile.
class SimLoopbackPorts final : public LoopbackPorts {
 public:
  Result<uint16_t> choose(uint16_t preferred, const std::set<uint16_t>& taken) override {
    uint16_t port = preferred == 0 ? kFirst : preferred;
    while (taken.contains(port) || occupied.contains(port)) port = port < kFirst ? kFirst : uint16_t(port + 1);
    return port;
  }
  std::set<uint16_t> occupied;

 private:
  static constexpr uint16_t kFirst = 40000;
};

}  // namespace millrace::io::sim
