#include "tests/sim/trace.h"

#include <cstdio>

namespace millrace::sim {
namespace {

std::string stamped(int64_t ns, std::string_view what) {
  char stamp[32];
  std::snprintf(stamp, sizeof stamp, "%4lld.%06lld ", static_cast<long long>(ns / 1'000'000'000),
                static_cast<long long>(ns / 1000 % 1'000'000));
  return stamp + std::string(what);
}

}  // namespace

void Trace::line(const std::string& what) {
  const std::string text = stamped(clock_.now().time_since_epoch().count(), what);
  for (const char c : text) hash_ = (hash_ ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  ++lines_;
  keep(text);
}

void Trace::note(std::string_view what) {
  keep(stamped(clock_.now().time_since_epoch().count(), "    | " + std::string(what)));
}

void Trace::keep(std::string line) {
  if (print_) std::fprintf(stderr, "%s\n", line.c_str());
  kept_.push_back(std::move(line));
  if (kept_.size() > kLinesKept) kept_.pop_front();
}

void Trace::violation(const std::string& check, const std::string& what) {
  line("VIOLATION (" + check + "): " + what);
  if (!failed_check_) failed_check_ = check;
}

std::string Trace::tail() const {
  std::string text;
  for (const std::string& line : kept_) text += line + "\n";
  return text;
}

}  // namespace millrace::sim
