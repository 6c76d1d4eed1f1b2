#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "broker/base/mutex.h"
#include "broker/base/result.h"
#include "broker/io/event_loop.h"
#include "broker/io/timer_wheel.h"

namespace millrace::io::posix {

// Something with a descriptor that a loop watches. Called on the loop's thread.
class Watched {
 public:
  virtual ~Watched() = default;
  virtual void on_events(uint32_t epoll_events) = 0;
};

// An EventLoop on a thread of its own: epoll, a timer wheel, an eventfd for posts of other threads. Signals are blocked
// on it. Sleeps without limit when there is nothing to do.
//
// Directly on epoll, because a request then costs three system calls (epoll_wait, recv, sendmsg): descriptors are
// registered once, edge-triggered, and timers cost none.
class EpollEventLoop final : public EventLoop {
 public:
  // `name`, of at most 15 characters, is the thread's. Errors: io (no descriptors or threads left).
  static Result<std::unique_ptr<EpollEventLoop>> start(const std::string& name);
  ~EpollEventLoop() override;  // stops
  EpollEventLoop(const EpollEventLoop&) = delete;
  EpollEventLoop& operator=(const EpollEventLoop&) = delete;

  void post(std::function<void()> task) override;
  bool is_current() const override;
  TimerId run_after(Duration delay, std::function<void()> task) override;
  void cancel(TimerId timer) override;

  // Ends the thread after the task it runs, then destroys what was posted and not run, on the calling thread, where
  // is_current() is true meanwhile. Not from the loop itself. Twice is once.
  void stop();

  // Loop thread only (or after stop()). `watched` is told of every edge until unwatched, also of one that was read from
  // the kernel together with the event being handled.
  Status watch(int fd, uint32_t epoll_events, Watched& watched);
  void unwatch(int fd, Watched& watched);

 private:
  struct Private {};

 public:
  EpollEventLoop(Private, int epoll_fd, int wake_fd);

 private:
  static constexpr int kEventsMax = 256;

  void run();
  void run_posted();
  void run_timers();
  int wait_ms() const;
  void wake();

  const int epoll_fd_;
  const int wake_fd_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::thread::id> owner_;  // the loop's thread; after stop() the one that cleans up
  std::thread thread_;

  mutable Mutex mutex_;  // a leaf
  std::vector<std::function<void()>> posted_ GUARDED_BY(mutex_);
  std::atomic<bool> woken_{false};  // an eventfd write is on its way; set before and cleared after the queue is seen

  // Loop thread only.
  TimerWheel timers_;
  std::vector<std::function<void()>> running_;
  std::vector<Watched*> gone_;  // unwatched while the events of one epoll_wait are handled
  bool handling_events_ = false;
};

}  // namespace millrace::io::posix
