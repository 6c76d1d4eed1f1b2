#include "broker/rpc/queue_event_loop.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include <grpc/support/time.h>
#include <pthread.h>
#include <signal.h>

#include "broker/base/ensure.h"
#include "broker/rpc/wire/grpc_runtime.h"

namespace millrace::rpc {

Result<std::unique_ptr<QueueEventLoop>> QueueEventLoop::start(const std::string& name, const Clock& clock,
                                                              std::unique_ptr<grpc::ServerCompletionQueue> queue) {
  auto loop = std::make_unique<QueueEventLoop>(Private{}, clock, std::move(queue));
  // As io::posix::EpollEventLoop: none of the process's signals is to arrive on a loop.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    loop->thread_ = std::thread([raw = loop.get()] { raw->run(); });
  } catch (const std::system_error& failure) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return Error{Errc::io, std::string("start thread ") + name + ": " + failure.what()};
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_setname_np(loop->thread_.native_handle(), name.substr(0, 15).c_str());
  return loop;
}

QueueEventLoop::QueueEventLoop(Private, const Clock& clock, std::unique_ptr<grpc::ServerCompletionQueue> queue)
    : clock_(clock), queue_(std::move(queue)), timers_(clock.now()) {}

QueueEventLoop::~QueueEventLoop() {
  stop();
  if (!stopping_.load()) {  // its thread could not be started
    queue_->Shutdown();
    empty_queue();
  }
}

void QueueEventLoop::post(std::function<void()> task) {
  // The loop may end as soon as this task has run, so it is not touched once the task can be seen.
  MutexLock lock(mutex_);
  if (stopping_.load(std::memory_order_relaxed)) return;  // dropped with the parameter, outside the mutex
  posted_.push_back(std::move(task));
  wake();
}

void QueueEventLoop::wake() {
  if (!asleep_ || std::exchange(waking_, true)) return;
  alarm_.Set(queue_.get(), gpr_time_0(GPR_CLOCK_MONOTONIC), woken_.tag());
}

void QueueEventLoop::woken(bool) {
  MutexLock lock(mutex_);
  waking_ = false;
}

bool QueueEventLoop::is_current() const { return owner_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

io::TimerId QueueEventLoop::run_after(Duration delay, std::function<void()> task) {
  ENSURE(is_current());
  return timers_.add(clock_.now() + std::max(delay, Duration::zero()), std::move(task));
}

void QueueEventLoop::cancel(io::TimerId timer) {
  ENSURE(is_current());
  timers_.cancel(timer);
}

void QueueEventLoop::enter(QueueGuest& guest) {
  ENSURE(is_current());
  guests_.push_back(&guest);
}

void QueueEventLoop::leave(QueueGuest& guest) {
  ENSURE(is_current());
  std::erase(guests_, &guest);
}

void QueueEventLoop::stop() {
  if (!thread_.joinable()) return;
  ENSURE(!is_current());
  {
    MutexLock lock(mutex_);
    stopping_.store(true);
    wake();
  }
  thread_.join();
  owner_.store(std::this_thread::get_id());
  // Operations may still be followed by others of their call, which a queue that is shut down would not take.
  for (QueueGuest* guest : std::vector<QueueGuest*>(guests_)) guest->abandon();
  void* tag = nullptr;
  bool good = false;
  while (!guests_.empty() && queue_->Next(&tag, &good)) static_cast<QueueTag*>(tag)->on_complete(good);
  queue_->Shutdown();
  empty_queue();
  // Destroying a task may post another, which is dropped, or cancel timers.
  std::vector<std::function<void()>> dropped;
  {
    MutexLock lock(mutex_);
    dropped.swap(posted_);
  }
  dropped.clear();
  running_.clear();
  timers_ = io::TimerWheel(clock_.now());
}

void QueueEventLoop::empty_queue() {
  void* tag = nullptr;
  bool good = false;
  while (queue_->Next(&tag, &good)) static_cast<QueueTag*>(tag)->on_complete(good);
}

void QueueEventLoop::run() {
  owner_.store(std::this_thread::get_id());
  while (!stopping_.load(std::memory_order_relaxed)) {
    run_timers();
    run_posted();
    void* tag = nullptr;
    bool good = false;
    const auto status = queue_->AsyncNext(&tag, &good, fall_asleep());
    {
      MutexLock lock(mutex_);
      asleep_ = false;
    }
    if (status == grpc::CompletionQueue::GOT_EVENT) static_cast<QueueTag*>(tag)->on_complete(good);
  }
}

void QueueEventLoop::run_posted() {
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

void QueueEventLoop::run_timers() {
  if (timers_.size() == 0) return;
  const TimePoint now = clock_.now();
  while (std::function<void()> task = timers_.pop_due(now)) task();
}

// Until when to wait for the end of an operation; from here on posts wake the thread.
gpr_timespec QueueEventLoop::fall_asleep() {
  MutexLock lock(mutex_);
  if (!posted_.empty() || stopping_.load(std::memory_order_relaxed)) return gpr_time_0(GPR_CLOCK_MONOTONIC);
  asleep_ = true;
  const std::optional<TimePoint> next = timers_.next();
  if (!next) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  const Duration left = std::max(*next - clock_.now(), Duration::zero());
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(left.count(), GPR_TIMESPAN));
}

}  // namespace millrace::rpc
