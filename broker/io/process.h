#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/result.h"

namespace millrace::io {

struct ProcessOptions {
  std::vector<std::string> argv;           // [0] is a path, or a name that PATH finds
  std::map<std::string, std::string> env;  // in addition to ours, which it overrides
  std::string working_directory;           // "": ours
  std::string output_path;                 // standard output and error are appended here
};

struct ExitStatus {
  int code = 0;    // meaningful when signal is 0
  int signal = 0;  // what ended it

  bool succeeded() const { return code == 0 && signal == 0; }
  std::string to_string() const {
    return signal != 0 ? "killed by signal " + std::to_string(signal) : "exited with code " + std::to_string(code);
  }
};

// A child. One thread at a time. The destructor kills a child that still runs and waits for its end.
class Process {
 public:
  virtual ~Process() = default;
  virtual int64_t pid() const = 0;
  // Nothing while it runs; never blocks; the same answer ever after.
  virtual std::optional<ExitStatus> exit_status() = 0;
  // Waits for its end, at most `timeout`.
  virtual std::optional<ExitStatus> wait(std::chrono::milliseconds timeout) = 0;
  virtual void terminate() = 0;  // SIGTERM: asks it to end; ignored when it has ended
  virtual void kill() = 0;       // SIGKILL
};

// The only door to processes. Thread-safe. Children get SIGTERM when the thread that started them ends, so that none
// outlives a parent that crashed. Errors of start: not_found (no such program), permission_denied, io.
class ProcessRunner {
 public:
  virtual ~ProcessRunner() = default;
  virtual Result<std::unique_ptr<Process>> start(const ProcessOptions& options) = 0;
};

}  // namespace millrace::io
