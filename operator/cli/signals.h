#pragma once

#include <chrono>
#include <csignal>
#include <optional>

namespace millrace::cli {

// SIGINT, SIGTERM and SIGHUP become answers of wait(). Made before any thread, so that all of them have these blocked;
// one in a process.
class Signals {
 public:
  Signals();
  // A signal that came, now or before; nothing after `timeout`.
  std::optional<int> wait(std::chrono::milliseconds timeout);

 private:
  sigset_t set_;
};

}  // namespace millrace::cli
