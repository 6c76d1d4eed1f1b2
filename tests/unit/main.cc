// main of every unit test program: quiet about what passes. What is logged during a test is kept, the newest lines of
// it, and printed only when the test fails or ends the process, so that a failure among thousands of tests is what
// there is to read.
#include <csignal>
#include <deque>
#include <iostream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/base/logger.h"
#include "broker/base/mutex.h"

namespace millrace {
namespace {

constexpr size_t kLinesMax = 200;

Mutex g_mutex;  // after the logger's
std::deque<std::string>& g_lines GUARDED_BY(g_mutex) =
    *new std::deque<std::string>;  // threads that outlive main still log

void keep(std::string_view line) {
  MutexLock lock(g_mutex);
  if (g_lines.size() == kLinesMax) g_lines.pop_front();
  g_lines.emplace_back(line);
}

void print_and_forget() {
  MutexLock lock(g_mutex);
  for (const std::string& line : g_lines) std::cerr << "  " << line << '\n';
  g_lines.clear();
}

class LogOfFailures : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo& /*test*/) override {
    Logger::redirect(keep);
    MutexLock lock(g_mutex);
    g_lines.clear();
  }
  void OnTestEnd(const testing::TestInfo& test) override {
    if (test.result()->Failed()) print_and_forget();
  }
};

void print_and_die(int signal) {
  // Not safe in a handler in general; the process is lost anyway, and its last words are worth the try.
  print_and_forget();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  GTEST_FLAG_SET(brief, true);
  testing::InitGoogleMock(&argc, argv);
  testing::UnitTest::GetInstance()->listeners().Append(new millrace::LogOfFailures);
  std::signal(SIGABRT, millrace::print_and_die);
  return RUN_ALL_TESTS();
}
