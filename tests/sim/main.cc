// cluster_sim: runs simulated clusters, one for each seed, until one fails or time is up.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/sim/cluster.h"

#include "broker/base/logger.h"

namespace millrace::sim {
namespace {

constexpr std::string_view kUsage =
    "usage: cluster_sim [--seed N] [--seeds N] [--seconds REAL | --timed] [--trace] [--twice]\n"
    "  --seed N        the first seed (1); alone: only this one\n"
    "  --seeds N       how many; without a limit: until one fails\n"
    "  --seconds REAL  how long, in real time\n"
    "  --timed         as long as MILLRACE_SIM_SECONDS says (240)\n"
    "  --trace         print all that happens\n"
    "  --twice         run each seed twice and compare the hashes of all that happened\n";

struct Arguments {
  uint64_t seed = 1;
  uint64_t seeds = 0;  // 0: no limit
  double seconds = 0;  // 0: no limit
  bool trace = false;
  bool twice = false;
};

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  bool one = false, limited = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    const auto value = [&]() -> const char* {
      if (++i < argc) return argv[i];
      std::fprintf(stderr, "%s", kUsage.data());
      std::exit(2);
    };
    if (name == "--seed") {
      arguments.seed = std::strtoull(value(), nullptr, 10);
      one = true;
    } else if (name == "--seeds") {
      arguments.seeds = std::strtoull(value(), nullptr, 10);
      limited = true;
    } else if (name == "--seconds") {
      arguments.seconds = std::strtod(value(), nullptr);
      limited = true;
    } else if (name == "--timed") {
      const char* given = std::getenv("MILLRACE_SIM_SECONDS");
      arguments.seconds = given == nullptr ? 240 : std::strtod(given, nullptr);
      limited = true;
    } else if (name == "--trace") {
      arguments.trace = true;
    } else if (name == "--twice") {
      arguments.twice = true;
    } else {
      std::fprintf(stderr, "%s", kUsage.data());
      std::exit(name == "--help" ? 0 : 2);
    }
  }
  if (one && !limited) arguments.seeds = 1;
  return arguments;
}

Outcome run_seed(uint64_t seed, bool trace) {
  std::fprintf(stderr, "%s", trace ? ("seed " + std::to_string(seed) + "\n").c_str() : "");
  Cluster cluster(seed, trace);
  Logger::configure(trace ? LogLevel::info : LogLevel::warn, LogFormat::text);
  Logger::redirect([&cluster](std::string_view line) { cluster.world().trace.note(line); });
  Outcome outcome = cluster.run();
  Logger::redirect([](std::string_view) {});
  return outcome;
}

int run(const Arguments& arguments) {
  const auto begin = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); };
  std::map<std::string, uint64_t> counters;
  Duration virtual_time{};
  uint64_t done = 0;
  for (uint64_t seed = arguments.seed;; ++seed) {
    if (arguments.seeds != 0 && done == arguments.seeds) break;
    if (arguments.seconds > 0 && elapsed() >= arguments.seconds) break;
    const Outcome outcome = run_seed(seed, arguments.trace);
    std::printf("seed %llu hash %016llx virtual %lld s\n", static_cast<unsigned long long>(seed),
                static_cast<unsigned long long>(outcome.hash),
                static_cast<long long>(outcome.virtual_time.count() / 1'000'000'000));
    std::fflush(stdout);
    if (outcome.failed_check) {
      if (!arguments.trace) std::printf("%s", outcome.trace.c_str());
      std::printf("seed %llu FAILED: %s\nrun it again: cluster_sim --seed %llu --trace\n",
                  static_cast<unsigned long long>(seed), outcome.failed_check->c_str(),
                  static_cast<unsigned long long>(seed));
      return 1;
    }
    if (arguments.twice && run_seed(seed, false).hash != outcome.hash) {
      std::printf("seed %llu FAILED: another run of it went another way\n", static_cast<unsigned long long>(seed));
      return 1;
    }
    ++done;
    virtual_time += outcome.virtual_time;
    for (const auto& [name, count] : outcome.counters) counters[name] += count;
  }
  std::printf("%llu seeds, %.0f s of real and %lld s of virtual time\n", static_cast<unsigned long long>(done),
              elapsed(), static_cast<long long>(virtual_time.count() / 1'000'000'000));
  for (const auto& [name, count] : counters) {
    std::printf("  %10llu  %s\n", static_cast<unsigned long long>(count), name.c_str());
  }
  return 0;
}

}  // namespace
}  // namespace millrace::sim

int main(int argc, char** argv) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  return millrace::sim::run(millrace::sim::parse(argc, argv));
}
