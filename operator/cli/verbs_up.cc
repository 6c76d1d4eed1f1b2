// local up and down: the process that runs the cluster, and what starts and stops it.

#include <algorithm>
#include <array>
#include <csignal>
#include <ostream>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/base/logger.h"
#include "operator/cli/local_cluster.h"
#include "operator/cli/manifests.h"
#include "operator/cli/progress.h"
#include "operator/cli/state_dir.h"
#include "operator/cli/verbs.h"
#include "operator/cli/views.h"

namespace millrace::cli {

namespace {

constexpr std::chrono::milliseconds kLookInterval{100};
constexpr std::chrono::milliseconds kWatchInterval{250};  // once it runs
constexpr int kLockTries = 5;
constexpr int64_t kRestartsToSpeak = 2;
constexpr int64_t kRestartsMax = 4;  // then --detach no longer waits
constexpr std::chrono::seconds kDetachWaitMax{60};
constexpr std::chrono::seconds kDownWaitMax{120};  // a broker may flush for its whole grace

std::string program_path(World& world) {
  std::array<char, 4096> path;
  const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
  if (size <= 0) {
    fail(world, "cannot find out where this program is: /proc is not mounted");
    return {};
  }
  return {path.data(), static_cast<size_t>(size)};
}

Result<std::string> absolute(const std::string& path) {
  if (path.starts_with('/')) return path;
  std::array<char, 4096> here;
  if (::getcwd(here.data(), here.size()) == nullptr) return Error{Errc::io, "the working directory"};
  return io::join_path(here.data(), path);
}

Status apply_all(kube::Client& kube, const std::vector<api::Manifest>& manifests) {
  for (const api::Manifest& manifest : manifests) {
    const Result<kube::Object> applied = kube.apply(manifest.object, "millrace-cli");
    if (!applied) {
      return Error{applied.error().code,
                   manifest.file + ":" + std::to_string(manifest.line) + ": " + applied.error().context};
    }
  }
  return ok();
}

// While nothing runs here yet.
Status prepare(kube::Client& kube, const std::vector<api::Manifest>& manifests) {
  TRY(forget_readiness(kube));
  return apply_all(kube, manifests);
}

void print_ready(World& world, kube::Client& kube, const StateDir& dir, bool detached) {
  const Result<std::vector<ClusterView>> clusters = view_clusters(kube, std::string(api::kDefaultNamespace), true);
  if (!clusters) return;
  for (const ClusterView& cluster : *clusters) {
    if (!cluster.is_ready || cluster.bootstrap.empty()) continue;
    const std::string topic = cluster.topics.empty() ? "TOPIC" : cluster.topics.front().topic;
    world.out << "\nKafkaCluster " << cluster.name << " is ready at " << cluster.bootstrap << "\n\n"
              << "  echo hello | kcat -b " << cluster.bootstrap << " -P -t " << topic << "\n"
              << "  kcat -b " << cluster.bootstrap << " -C -t " << topic << " -o beginning -e\n\n";
  }
  const std::string data_dir = dir.path() == CommandLine().data_dir ? "" : " --data-dir " + dir.path();
  world.out << (detached ? "It runs in the background; `millrace local down" + data_dir + "` stops it."
                         : std::string("Ctrl-C stops it."))
            << " Its data stays in " << dir.path() << "." << std::endl;
}

// The end of what brokers that are not ready have written: they say there what is wrong and what to do.
void print_broker_logs(World& world, kube::Client& kube, const StateDir& dir) {
  constexpr size_t kTailBytes = 600;
  const Result<std::vector<ClusterView>> clusters = view_clusters(kube, std::string(api::kDefaultNamespace), true);
  if (!clusters) return;
  for (const ClusterView& cluster : *clusters) {
    for (const BrokerView& broker : cluster.brokers) {
      if (broker.is_ready) continue;
      const std::string path =
          io::join_path(io::join_path(dir.broker_logs(), api::kDefaultNamespace), broker.pod + ".log");
      const Result<std::string> log = io::read_small_file(world.fs, path);
      if (!log || log->empty()) continue;
      const size_t from = log->size() > kTailBytes ? log->find('\n', log->size() - kTailBytes) : std::string::npos;
      world.err << path << " ends with:\n" << (from == std::string::npos ? *log : log->substr(from + 1)) << std::flush;
    }
  }
}

void print_refusals(World& world, const Standing& standing) {
  for (const std::string& refusal : standing.refusals) fail(world, refusal);
}

int64_t restarts(kube::Client& kube) {
  int64_t most = 0;
  const Result<std::vector<ClusterView>> clusters = view_clusters(kube, std::string(api::kDefaultNamespace), true);
  if (!clusters) return 0;
  for (const ClusterView& cluster : *clusters) {
    for (const BrokerView& broker : cluster.brokers) {
      if (!broker.is_ready) most = std::max(most, broker.restarts);
    }
  }
  return most;
}

// Shows how far it is until all is ready, something is refused, or `is_over`. True when ready. A broker that ends again
// and again is let speak for itself once.
template <class IsOver>
bool wait_until_ready(World& world, Signals& signals, kube::Client& kube, const StateDir& dir,
                      const std::vector<api::Manifest>& manifests, IsOver is_over) {
  Progress progress(world);
  bool said_why = false;
  for (;;) {
    if (!said_why && restarts(kube) >= kRestartsToSpeak) {
      said_why = true;
      progress.finish();
      print_broker_logs(world, kube, dir);
    }
    const Result<Standing> standing = standing_of(kube, manifests);
    if (standing) {
      progress.show(standing->now);
      if (standing->is_ready || standing->is_refused) {
        progress.finish();
        print_refusals(world, *standing);
        return standing->is_ready;
      }
    }
    if (is_over(signals.wait(kLookInterval))) {
      progress.finish();
      return false;
    }
  }
}

// Tells of every change in how far things are as specified, until a signal comes.
void watch_over(World& world, Signals& signals, kube::Client& kube, const std::vector<api::Manifest>& manifests) {
  Progress progress(world);
  for (;;) {
    if (const Result<Standing> standing = standing_of(kube, manifests)) progress.show(standing->now);
    if (signals.wait(kWatchInterval)) return progress.finish();
  }
}

int run_here(World& world, const CommandLine& line, Signals& signals, StateDir& dir,
             const std::vector<api::Manifest>& manifests) {
  const Result<std::string> directory = absolute(dir.path());
  if (!directory) return fail(world, directory.error().to_string());
  const std::string program = program_path(world);
  if (program.empty()) return kFailed;
  const Result<std::unique_ptr<local::Store>> store = dir.open_store();
  if (!store) return fail(world, store.error().to_string());
  if (const Status prepared = prepare(**store, manifests); !prepared) return fail(world, prepared.error().to_string());

  Result<std::unique_ptr<LocalCluster>> cluster =
      LocalCluster::start(world, *directory, io::parent_path(program), **store);
  if (!cluster) return fail(world, cluster.error().to_string());
  if (const Status written = dir.write_owner({::getpid(), (*cluster)->http_port()}); !written) {
    return fail(world, written.error().to_string());
  }
  std::optional<int> stopped_by;
  const bool ready = wait_until_ready(world, signals, **store, dir, manifests, [&](std::optional<int> signal) {
    stopped_by = signal;
    return signal.has_value();
  });
  if (!stopped_by && !line.is_background) {
    if (!ready) world.out << "Not all is ready; `millrace apply` takes changed manifests while this runs.\n";
    print_ready(world, **store, dir, false);
    watch_over(world, signals, **store, manifests);
  } else {
    while (!stopped_by) stopped_by = signals.wait(std::chrono::hours(1));
  }
  world.out << (world.is_terminal ? "\n" : "") << "Stopping…" << std::endl;
  cluster->reset();
  world.out << "Stopped." << std::endl;
  return kDone;
}

// Starts this program again, in a session of its own, with its output in the log.
Result<pid_t> spawn_background(World& world, const CommandLine& line, const StateDir& dir) {
  const std::string program = program_path(world);
  std::vector<std::string> words{program, "local", "up", "-f", line.path, "--data-dir", line.data_dir, "--background"};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, dir.log_path().c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, program.c_str(), &files, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return Error{Errc::io, "starting " + program + " in the background"};
  return pid;
}

int run_detached(World& world, const CommandLine& line, Signals& signals, StateDir& dir,
                 const std::vector<api::Manifest>& manifests, std::unique_ptr<io::FileLock> lock) {
  const Result<std::unique_ptr<local::Store>> store = dir.open_store();
  if (!store) return fail(world, store.error().to_string());
  if (const Status prepared = prepare(**store, manifests); !prepared) return fail(world, prepared.error().to_string());
  lock.reset();  // the child takes it
  const Result<pid_t> child = spawn_background(world, line, dir);
  if (!child) return fail(world, child.error().to_string());

  bool ended = false;
  bool interrupted = false;
  const TimePoint limit = world.clock.now() + kDetachWaitMax;
  const bool ready = wait_until_ready(world, signals, **store, dir, manifests, [&](std::optional<int> signal) {
    interrupted = signal.has_value();
    ended = ::waitpid(*child, nullptr, WNOHANG) == *child;
    return ended || interrupted || restarts(**store) >= kRestartsMax || world.clock.now() > limit;
  });
  if (ended) {
    const Result<std::string> log = io::read_small_file(world.fs, dir.log_path());
    return fail(world, "the background process ended:\n" + (log ? *log : log.error().to_string()));
  }
  if (ready) {
    print_ready(world, **store, dir, true);
    return kDone;
  }
  return fail(
      world,
      "not all is ready yet; it goes on in the background. `millrace local status` shows how far it is, logs are in " +
          dir.log_path() + " and " + dir.broker_logs() + ", `millrace local down` stops it");
}

}  // namespace

int local_up(World& world, const CommandLine& line, Signals& signals) {
  const Result<std::vector<api::Manifest>> manifests = load_manifests(world.fs, line.path);
  if (!manifests) {
    fail(world, manifests.error().code == Errc::not_found
                    ? line.path + " does not exist; -f names a manifest or a directory of them"
                    : manifests.error().context);
    return kUsage;
  }
  StateDir dir(world, line.data_dir);
  Result<std::unique_ptr<io::FileLock>> lock = dir.lock();
  // A command that asks whether a cluster runs holds it for a moment.
  for (int tries = 1; !lock && lock.error().code == Errc::in_use && tries < kLockTries; ++tries) {
    if (signals.wait(kLookInterval)) return kFailed;
    lock = dir.lock();
  }
  if (!lock) {
    if (lock.error().code != Errc::in_use) return fail(world, lock.error().to_string());
    const std::optional<StateDir::Owner> owner = dir.owner();
    return fail(world,
                "a local cluster already runs in " + dir.path() +
                    (owner ? " (process " + std::to_string(owner->pid) + ")" : "") +
                    "; change it with `millrace apply`, stop it with `millrace local down`, or use another --data-dir");
  }
  if (line.detach) {
    return run_detached(world, line, signals, dir, *manifests, std::move(*lock));
  }
  Logger::configure(line.is_background ? LogLevel::info : LogLevel::error, LogFormat::text);
  return run_here(world, line, signals, dir, *manifests);
}

int local_down(World& world, const CommandLine& line, Signals& signals) {
  StateDir dir(world, line.data_dir);
  const Result<bool> running = dir.is_running();
  if (!running) return fail(world, running.error().to_string());
  if (*running) {
    const std::optional<StateDir::Owner> owner = dir.owner();
    if (!owner || ::kill(static_cast<pid_t>(owner->pid), SIGTERM) != 0) {
      return fail(world, "a cluster runs in " + dir.path() + ", but its process cannot be told to stop; see " +
                             io::join_path(dir.path(), "up.json"));
    }
    const TimePoint limit = world.clock.now() + kDownWaitMax;
    for (;;) {
      const Result<bool> still = dir.is_running();
      if (still && !*still) break;
      if (world.clock.now() > limit) {
        return fail(world, "process " + std::to_string(owner->pid) + " has not stopped after 120 s; logs are in " +
                               dir.log_path() + " and " + dir.broker_logs());
      }
      if (signals.wait(kLookInterval)) return kFailed;
    }
    world.out << "Stopped." << std::endl;
  } else if (!line.purge) {
    world.out << "Nothing runs in " << dir.path() << "." << std::endl;
  }
  if (!line.purge) return kDone;
  if (const Status purged = dir.purge(); !purged) return fail(world, purged.error().to_string());
  world.out << "Removed " << dir.path() << "." << std::endl;
  return kDone;
}

}  // namespace millrace::cli
