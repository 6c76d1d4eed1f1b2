#include "broker/app/open_files.h"

#include <cerrno>
#include <cstring>

#include <sys/resource.h>

#include "broker/base/logger.h"

namespace millrace::app {
namespace {

const Logger kLog("app");
constexpr uint64_t kForConnections = 3'000;  // and what else a process needs

}  // namespace

Result<OpenFilesLimit> raise_open_files_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return Error{Errc::io, std::string("getrlimit: ") + std::strerror(errno)};
  OpenFilesLimit known{.before = limit.rlim_cur, .now = limit.rlim_max, .hard = limit.rlim_max};
  limit.rlim_cur = limit.rlim_max;
  if (known.before != known.hard && setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return Error{Errc::permission_denied, std::string("setrlimit: ") + std::strerror(errno)};
  }
  return known;
}

void raise_and_log_open_files_limit(uint64_t files) {
  const Result<OpenFilesLimit> limit = raise_open_files_limit();
  if (!limit) return kLog.warn("the limit of open files was not raised", {{"error", limit.error().to_string()}});
  if (limit->hard >= files + kForConnections) {
    return kLog.info("open files", {{"limit", limit->now}, {"was", limit->before}});
  }
  kLog.warn("the limit of open files is low: raise it (ulimit -Hn, LimitNOFILE=)",
            {{"limit", limit->now}, {"was", limit->before}, {"wanted", files + kForConnections}});
}

}  // namespace millrace::app
