// millrace-broker: reads its configuration, runs one Node until SIGTERM, SIGINT or a fatal failure of its disk, and
// says on one line why it ends otherwise.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>

#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include "broker/app/node.h"
#include "broker/app/open_files.h"
#include "broker/base/logger.h"
#include "broker/base/mutex.h"
#include "broker/io/posix/posix_file_system.h"
#include "broker/storage/storage_config.h"

namespace millrace::app {
namespace {

enum ExitCode : int { kClean = 0, kStartFailed = 1, kUsage = 2, kDiskFailed = 3 };  // 1 also: the cluster refuses it

// Few arenas: reactors allocate little and free on other threads, and each arena keeps memory of its own.
constexpr int kMallocArenas = 2;

int fail(ExitCode code, const Error& error) {
  std::fprintf(stderr, "millrace-broker: %s\n",
               error.context.empty() ? error.to_string().c_str() : error.context.c_str());
  return code;
}

// The failure that ends the process, from whichever thread met it to main, which waits for signals.
class FatalFailure {
 public:
  void set(const Error& error) {
    {
      MutexLock lock(mutex_);
      if (!error_) error_ = error;
    }
    kill(getpid(), SIGTERM);
  }
  std::optional<Error> get() const {
    MutexLock lock(mutex_);
    return error_;
  }

 private:
  mutable Mutex mutex_;
  std::optional<Error> error_ GUARDED_BY(mutex_);
};

// Threads inherit the mask, so signals arrive only where main waits for them.
sigset_t block_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // a limit of file sizes answers the write that meets it
  return signals;
}

int run(const ConfigSources& sources) {
  const Logger log("app");
  io::posix::PosixFileSystem fs;
  auto config = read_node_config(fs, sources);
  if (!config) return fail(kStartFailed, config.error());
  for (const std::string& warning : config->warnings) log.warn("configuration", {{"warning", warning}});
  raise_and_log_open_files_limit(static_cast<uint64_t>(config_int(config->values, storage::kOpenFilesMax)));
  const sigset_t signals = block_stop_signals();
  const std::string data_dir = config->data_dir;
  FatalFailure fatal, refused;  // outlive the node
  auto node = Node::open(*std::move(config), {.on_serving =
                                                  [&log] {
                                                    log.info("ready", {{"version", kBuildVersion}});
                                                  },
                                              .on_fatal = [&fatal](const Error& error) { fatal.set(error); },
                                              .on_refused = [&refused](const Error& error) { refused.set(error); }});
  if (!node) return fail(kStartFailed, node.error());
  for (const server::ListenerOptions& listener : (*node)->listeners()) {
    log.info("listening", {{"listener", listener.name}, {"at", listener.at.to_string()}});
  }
  log.info("listening", {{"listener", "http"}, {"at", (*node)->http().to_string()}});
  log.info("listening", {{"listener", "rpc"}, {"at", (*node)->rpc().to_string()}});
  int signal_number = 0;
  sigwait(&signals, &signal_number);
  if (const std::optional<Error> error = fatal.get()) {
    // At once: nothing more can be made to last, and a failing disk may keep a clean stop waiting. What was
    // acknowledged is on disk or in the kernel's hands, and the next start verifies it.
    fail(kDiskFailed, Error{error->code, "the disk of " + data_dir + " failed: " + error->to_string() +
                                             "; check it, then start the broker again"});
    _exit(kDiskFailed);
  }
  if (const std::optional<Error> error = refused.get()) {
    (void)(*node)->stop();
    return fail(kStartFailed, Error{error->code, "the cluster refuses this broker: " + error->to_string()});
  }
  log.info("stopping", {{"signal", signal_number == SIGTERM ? "SIGTERM" : "SIGINT"}});
  const Status stopped = (*node)->stop();
  if (!stopped) return fail(kDiskFailed, stopped.error());
  log.info("stopped");
  return kClean;
}

}  // namespace

}  // namespace millrace::app

int main(int argc, char** argv) {
  using namespace millrace;
  mallopt(M_ARENA_MAX, app::kMallocArenas);
  CLI::App command("A broker that speaks Kafka's protocol. Without arguments: 127.0.0.1:9092, data in ./millrace-data.",
                   "millrace-broker");
  app::ConfigSources sources;
  std::string format = "text";
  std::string level = "info";
  bool version = false;
  command.add_option("--config", sources.file, "YAML file of properties")->type_name("FILE");
  command.add_option("--data-dir", sources.data_dir, "data directory (log.dirs)")->type_name("DIR");
  command.add_option("--set", sources.sets, "sets a property; beats the file; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command.add_option("--log-format", format, "text or json")->check(CLI::IsMember({"text", "json"}));
  command.add_option("--log-level", level, "debug, info, warn or error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
  command.add_flag("--version", version, "prints the version");
  try {
    command.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return command.exit(error) == 0 ? app::kClean : app::kUsage;
  }
  if (version) {
    std::printf("millrace-broker %s\n", app::kBuildVersion);
    return app::kClean;
  }
  const auto log_level = level == "debug"   ? LogLevel::debug
                         : level == "warn"  ? LogLevel::warn
                         : level == "error" ? LogLevel::error
                                            : LogLevel::info;
  Logger::configure(log_level, format == "json" ? LogFormat::json : LogFormat::text);
  return app::run(sources);
}
