#include "broker/io/posix/posix_process.h"

#include <csignal>
#include <cstdlib>

#include <gtest/gtest.h>
#include <unistd.h>

#include "broker/io/posix/posix_file_system.h"
#include "broker/io/posix/posix_loopback_ports.h"

namespace millrace::io::posix {
namespace {

constexpr std::chrono::seconds kWaitMax{20};

class PosixProcessTest : public testing::Test {
 protected:
  PosixProcessTest() {
    char pattern[] = "/tmp/millrace-process-XXXXXX";
    directory_ = ::mkdtemp(pattern);
  }
  ~PosixProcessTest() override { (void)fs_.remove_all(directory_); }

  std::unique_ptr<Process> shell(const std::string& script) {
    auto process = runner_.start(
        {.argv = {"/bin/sh", "-c", script}, .env = {{"WORD", "hello"}}, .output_path = directory_ + "/out"});
    EXPECT_TRUE(process.has_value()) << process.error().to_string();
    return std::move(*process);
  }
  std::string output() { return *read_small_file(fs_, directory_ + "/out"); }

  PosixFileSystem fs_;
  PosixProcessRunner runner_;
  std::string directory_;
};

TEST_F(PosixProcessTest, a_child_gets_its_environment_and_its_output_is_appended) {
  ASSERT_TRUE(shell("echo $WORD")->wait(kWaitMax)->succeeded());
  ASSERT_TRUE(shell("echo again >&2")->wait(kWaitMax)->succeeded());
  EXPECT_EQ(output(), "hello\nagain\n");
}

TEST_F(PosixProcessTest, tells_how_a_child_ended_and_keeps_telling) {
  const auto process = shell("exit 3");
  EXPECT_EQ(process->wait(kWaitMax)->code, 3);
  EXPECT_EQ(process->exit_status()->code, 3);
  process->kill();  // no harm
}

TEST_F(PosixProcessTest, terminate_asks_and_kill_insists) {
  const auto polite = shell("exec sleep 1000");
  EXPECT_FALSE(polite->exit_status().has_value());
  polite->terminate();
  EXPECT_EQ(polite->wait(kWaitMax)->signal, SIGTERM);
  const auto stubborn = shell("trap '' TERM; echo deaf; while :; do sleep 0.01; done");
  while (output().find("deaf") == std::string::npos) (void)stubborn->wait(std::chrono::milliseconds(1));
  stubborn->terminate();
  EXPECT_FALSE(stubborn->wait(std::chrono::milliseconds(20)).has_value());
  stubborn->kill();
  EXPECT_EQ(stubborn->wait(kWaitMax)->signal, SIGKILL);
}

TEST_F(PosixProcessTest, a_child_does_not_outlive_its_owner) {
  auto process = shell("exec sleep 1000");
  const auto pid = static_cast<pid_t>(process->pid());
  process.reset();
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST_F(PosixProcessTest, a_program_that_does_not_exist_is_an_error_of_start) {
  const auto result = runner_.start({.argv = {"/nowhere/program"}});
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Errc::not_found);
}

TEST(PosixLoopbackPorts, chooses_the_preferred_port_unless_it_is_taken) {
  PosixLoopbackPorts ports;
  const uint16_t one = *ports.choose(0, {});
  EXPECT_EQ(*ports.choose(one, {}), one);
  EXPECT_NE(*ports.choose(one, {one}), one);
}

}  // namespace
}  // namespace millrace::io::posix
