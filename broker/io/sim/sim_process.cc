#include "broker/io/sim/sim_process.h"

#include <csignal>

namespace millrace::io::sim {

namespace {
constexpr int64_t kFirstPid = 1000;
}

class SimProcess final : public Process {
 public:
  SimProcess(SimProcessRunner& runner, int64_t pid) : runner_(runner), pid_(pid) {}
  SimProcess(const SimProcess&) = delete;
  SimProcess& operator=(const SimProcess&) = delete;
  ~SimProcess() override { kill(); }

  int64_t pid() const override { return pid_; }
  std::optional<ExitStatus> exit_status() override {
    const MutexLock lock(runner_.mutex_);
    return runner_.facts_.at(pid_).ended;
  }
  std::optional<ExitStatus> wait(std::chrono::milliseconds) override { return exit_status(); }
  void terminate() override {
    bool ignored = false;
    {
      const MutexLock lock(runner_.mutex_);
      ignored = runner_.facts_.at(pid_).ignores_terminate;
    }
    if (!ignored) runner_.end(pid_, {.code = 0, .signal = SIGTERM});
  }
  void kill() override { runner_.end(pid_, {.code = 0, .signal = SIGKILL}); }

 private:
  SimProcessRunner& runner_;
  const int64_t pid_;
};

Result<std::unique_ptr<Process>> SimProcessRunner::start(const ProcessOptions& options) {
  const MutexLock lock(mutex_);
  if (failure_) {
    const Errc code = *failure_;
    failure_.reset();
    return Error{code, "start " + options.argv.at(0)};
  }
  const int64_t pid = kFirstPid + static_cast<int64_t>(facts_.size());
  facts_[pid] = Fact{.options = options, .ignores_terminate = ignore_, .ended = {}};
  return std::unique_ptr<Process>(std::make_unique<SimProcess>(*this, pid));
}

std::map<int64_t, ProcessOptions> SimProcessRunner::running() const {
  const MutexLock lock(mutex_);
  std::map<int64_t, ProcessOptions> result;
  for (const auto& [pid, fact] : facts_) {
    if (!fact.ended) result[pid] = fact.options;
  }
  return result;
}

size_t SimProcessRunner::starts() const {
  const MutexLock lock(mutex_);
  return facts_.size();
}

void SimProcessRunner::end(int64_t pid, ExitStatus status) {
  const MutexLock lock(mutex_);
  Fact& fact = facts_.at(pid);
  if (!fact.ended) fact.ended = status;
}

void SimProcessRunner::ignore_terminate(bool ignore) {
  const MutexLock lock(mutex_);
  ignore_ = ignore;
}

void SimProcessRunner::fail_start(Errc code) {
  const MutexLock lock(mutex_);
  failure_ = code;
}

}  // namespace millrace::io::sim
