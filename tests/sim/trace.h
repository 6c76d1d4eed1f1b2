#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "broker/io/sim/sim_clock.h"

namespace millrace::sim {

// What happened in one run: lines of which the last ones are kept and all are hashed, counters of what the run has
// covered, and the first thing that must not happen. A line holds nothing that differs between machines.
class Trace {
 public:
  static constexpr size_t kLinesKept = 400;

  Trace(io::sim::SimClock& clock, bool print) : clock_(clock), print_(print) {}

  void line(const std::string& what);  // hashed
  void note(std::string_view what);    // not hashed: a log line of a broker
  void count(std::string_view what, uint64_t by = 1) { counters_[std::string(what)] += by; }
  // The run has failed; the first one counts. `check` names the invariant, for tables.
  void violation(const std::string& check, const std::string& what);

  const std::optional<std::string>& failed_check() const { return failed_check_; }
  uint64_t hash() const { return hash_; }
  uint64_t lines() const { return lines_; }
  const std::map<std::string, uint64_t>& counters() const { return counters_; }
  std::string tail() const;  // the lines kept

 private:
  void keep(std::string line);

  io::sim::SimClock& clock_;
  const bool print_;
  std::deque<std::string> kept_;
  std::map<std::string, uint64_t> counters_;
  std::optional<std::string> failed_check_;
  uint64_t hash_ = 0xcbf29ce484222325u;  // FNV-1a
  uint64_t lines_ = 0;
};

}  // namespace millrace::sim
