#include "broker/io/posix/epoll_event_loop.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <system_error>

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "broker/base/ensure.h"
#include "broker/io/posix/posix_file.h"

namespace millrace::io::posix {
namespace {

TimePoint monotonic_now() { return std::chrono::steady_clock::now(); }

}  // namespace

Result<std::unique_ptr<EpollEventLoop>> EpollEventLoop::start(const std::string& name) {
  const int epoll_fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0) return system_error(errno, "make event loop", name);
  const int wake_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd < 0) {
    const int number = errno;
    ::close(epoll_fd);
    return system_error(number, "make event loop", name);
  }
  auto loop = std::make_unique<EpollEventLoop>(Private{}, epoll_fd, wake_fd);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.ptr = nullptr;  // the wake-up
  if (::epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wake_fd, &event) != 0) {
    return system_error(errno, "watch event loop", name);
  }
  // A thread starts with its maker's signal mask: none of the process's signals is to arrive on a loop, and a write to
  // a closed connection is an error and no signal.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    loop->thread_ = std::thread([raw = loop.get()] { raw->run(); });
  } catch (const std::system_error& failure) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return system_error(failure.code().value(), "start thread", name);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_setname_np(loop->thread_.native_handle(), name.substr(0, 15).c_str());
  return loop;
}

EpollEventLoop::EpollEventLoop(Private, int epoll_fd, int wake_fd)
    : epoll_fd_(epoll_fd), wake_fd_(wake_fd), timers_(monotonic_now()) {}

EpollEventLoop::~EpollEventLoop() {
  stop();
  ::close(wake_fd_);
  ::close(epoll_fd_);
}

void EpollEventLoop::post(std::function<void()> task) {
  // The loop may end as soon as this task has run, so it is not touched once the task can be seen.
  MutexLock lock(mutex_);
  if (stopping_.load(std::memory_order_relaxed)) return;  // dropped with the parameter, outside the mutex
  posted_.push_back(std::move(task));
  if (!is_current()) wake();  // else it looks at the queue before it sleeps
}

void EpollEventLoop::wake() {
  if (woken_.exchange(true)) return;
  const uint64_t one = 1;
  // Can only fail when the counter is full, and then the loop wakes anyway.
  [[maybe_unused]] const ssize_t written = ::write(wake_fd_, &one, sizeof one);
}

bool EpollEventLoop::is_current() const { return owner_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

TimerId EpollEventLoop::run_after(Duration delay, std::function<void()> task) {
  ENSURE(is_current());
  return timers_.add(monotonic_now() + std::max(delay, Duration::zero()), std::move(task));
}

void EpollEventLoop::cancel(TimerId timer) {
  ENSURE(is_current());
  timers_.cancel(timer);
}

Status EpollEventLoop::watch(int fd, uint32_t epoll_events, Watched& watched) {
  ENSURE(is_current());
  epoll_event event{};
  event.events = epoll_events;
  event.data.ptr = &watched;
  if (::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) != 0) return system_error(errno, "watch", "a descriptor");
  return ok();
}

void EpollEventLoop::unwatch(int fd, Watched& watched) {
  ENSURE(is_current());
  ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
  if (handling_events_) gone_.push_back(&watched);
}

void EpollEventLoop::stop() {
  if (!thread_.joinable()) return;
  ENSURE(!is_current());
  {
    MutexLock lock(mutex_);
    stopping_.store(true);
  }
  wake();
  thread_.join();
  owner_.store(std::this_thread::get_id());
  // Destroying a task may post another, which is dropped, or cancel timers.
  std::vector<std::function<void()>> dropped;
  {
    MutexLock lock(mutex_);
    dropped.swap(posted_);
  }
  dropped.clear();
  running_.clear();
  timers_ = TimerWheel(monotonic_now());
}

void EpollEventLoop::run() {
  owner_.store(std::this_thread::get_id());
  std::array<epoll_event, kEventsMax> events;
  while (!stopping_.load(std::memory_order_relaxed)) {
    const int count = ::epoll_wait(epoll_fd_, events.data(), kEventsMax, wait_ms());
    ENSURE(count >= 0 || errno == EINTR);
    handling_events_ = true;
    for (int i = 0; i < count; ++i) {
      auto* watched = static_cast<Watched*>(events[static_cast<size_t>(i)].data.ptr);
      if (watched == nullptr) continue;  // woken; edge-triggered, so the eventfd need not be read
      if (!gone_.empty() && std::find(gone_.begin(), gone_.end(), watched) != gone_.end()) continue;
      watched->on_events(events[static_cast<size_t>(i)].events);
    }
    handling_events_ = false;
    gone_.clear();
    run_timers();
    run_posted();
  }
}

void EpollEventLoop::run_posted() {
  // Cleared before the queue is looked at: a post after that writes the eventfd again.
  woken_.store(false);
  {
    MutexLock lock(mutex_);
    running_.swap(posted_);
  }
  for (std::function<void()>& task : running_) {
    task();
    task = nullptr;
  }
  running_.clear();
}

void EpollEventLoop::run_timers() {
  const TimePoint now = monotonic_now();
  while (std::function<void()> task = timers_.pop_due(now)) task();
}

int EpollEventLoop::wait_ms() const {
  {
    MutexLock lock(mutex_);
    if (!posted_.empty()) return 0;
  }
  const std::optional<TimePoint> next = timers_.next();
  if (!next) return -1;
  const Duration left = *next - monotonic_now();
  if (left <= Duration::zero()) return 0;
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::min<int64_t>(ms, std::numeric_limits<int>::max()));
}

}  // namespace millrace::io::posix
