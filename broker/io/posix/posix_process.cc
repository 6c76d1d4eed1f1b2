#include "broker/io/posix/posix_process.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/io/posix/posix_file.h"

namespace millrace::io::posix {

namespace {

constexpr mode_t kOutputMode = 0640;

class PosixProcess final : public Process {
 public:
  PosixProcess(pid_t pid, int pid_fd) : pid_(pid), pid_fd_(pid_fd) {}
  PosixProcess(const PosixProcess&) = delete;
  PosixProcess& operator=(const PosixProcess&) = delete;
  ~PosixProcess() override {
    kill();
    while (!ended_) reap(0);
    if (pid_fd_ >= 0) ::close(pid_fd_);
  }

  int64_t pid() const override { return pid_; }

  std::optional<ExitStatus> exit_status() override {
    if (!ended_) reap(WNOHANG);
    return ended_;
  }

  std::optional<ExitStatus> wait(std::chrono::milliseconds timeout) override {
    if (!exit_status() && pid_fd_ >= 0) {
      pollfd end{.fd = pid_fd_, .events = POLLIN, .revents = 0};
      ::poll(&end, 1, static_cast<int>(timeout.count()));
    }
    return exit_status();
  }

  void terminate() override { signal(SIGTERM); }
  void kill() override { signal(SIGKILL); }

 private:
  // Not after it was reaped: the number may be another process's by then.
  void signal(int number) {
    if (!exit_status()) ::kill(pid_, number);
  }

  void reap(int flags) {
    int status = 0;
    const pid_t done = ::waitpid(pid_, &status, flags);
    if (done == pid_) {
      ended_ = WIFSIGNALED(status) ? ExitStatus{.code = 0, .signal = WTERMSIG(status)}
                                   : ExitStatus{.code = WEXITSTATUS(status), .signal = 0};
    } else if (done < 0 && errno == ECHILD) {
      ended_ = ExitStatus{.code = -1, .signal = 0};  // somebody else reaped it
    }
  }

  const pid_t pid_;
  const int pid_fd_;  // readable at its end
  std::optional<ExitStatus> ended_;
};

std::vector<std::string> environment(const std::map<std::string, std::string>& more) {
  std::vector<std::string> result;
  for (char** entry = ::environ; *entry != nullptr; ++entry) {
    const std::string_view line(*entry);
    if (!more.contains(std::string(line.substr(0, line.find('='))))) result.emplace_back(line);
  }
  for (const auto& [name, value] : more) result.emplace_back(name).append("=").append(value);
  return result;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// In the child, between fork and exec: only calls that are safe there. Returns errno's value when exec failed.
int become(const char* directory, int output, pid_t parent, char* const* argv, char* const* env) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);  // the parent died before the line above
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  if (*directory != '\0' && ::chdir(directory) != 0) return errno;
  const int nothing = ::open("/dev/null", O_RDONLY);
  if (nothing < 0 || ::dup2(nothing, 0) < 0 || ::dup2(output, 1) < 0 || ::dup2(output, 2) < 0) return errno;
  ::execvpe(argv[0], argv, env);
  return errno;
}

}  // namespace

Result<std::unique_ptr<Process>> PosixProcessRunner::start(const ProcessOptions& options) {
  ENSURE(!options.argv.empty());
  std::vector<std::string> arguments = options.argv;
  std::vector<std::string> env_texts = environment(options.env);
  const std::vector<char*> argv = pointers(arguments);
  const std::vector<char*> env = pointers(env_texts);
  const std::string output_path = options.output_path.empty() ? "/dev/null" : options.output_path;
  const int output = ::open(output_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, kOutputMode);
  if (output < 0) return system_error(errno, "open", output_path);
  int told[2];  // the child writes errno's value when it cannot become the program; exec closes it
  if (::pipe2(told, O_CLOEXEC) != 0) {
    const int why = errno;
    ::close(output);
    return system_error(why, "pipe for", arguments[0]);
  }
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) {
    const int failure = become(options.working_directory.c_str(), output, parent, argv.data(), env.data());
    [[maybe_unused]] const ssize_t written = ::write(told[1], &failure, sizeof failure);
    ::_exit(127);
  }
  const int fork_failure = errno;
  ::close(output);
  ::close(told[1]);
  int failure = 0;
  ssize_t read = 0;
  if (pid > 0) {
    do read = ::read(told[0], &failure, sizeof failure);
    while (read < 0 && errno == EINTR);
  }
  ::close(told[0]);
  if (pid < 0) return system_error(fork_failure, "start", arguments[0]);
  if (read == static_cast<ssize_t>(sizeof failure)) {
    ::waitpid(pid, nullptr, 0);
    return system_error(failure, "start", arguments[0]);
  }
  const int pid_fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  return std::unique_ptr<Process>(std::make_unique<PosixProcess>(pid, pid_fd));
}

}  // namespace millrace::io::posix
