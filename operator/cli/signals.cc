#include "operator/cli/signals.h"

#include <ctime>

#include "broker/base/ensure.h"

namespace millrace::cli {

Signals::Signals() {
  sigemptyset(&set_);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set_, signal);
  ENSURE(pthread_sigmask(SIG_BLOCK, &set_, nullptr) == 0);
}

std::optional<int> Signals::wait(std::chrono::milliseconds timeout) {
  const timespec limit{.tv_sec = timeout.count() / 1000, .tv_nsec = timeout.count() % 1000 * 1'000'000};
  const int signal = sigtimedwait(&set_, nullptr, &limit);
  if (signal < 0) return std::nullopt;
  return signal;
}

}  // namespace millrace::cli
