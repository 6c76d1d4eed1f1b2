#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include "broker/base/mutex.h"
#include "broker/base/result.h"
#include "broker/io/event_loop.h"
#include "broker/io/timer_wheel.h"

namespace millrace::rpc {

// What a gRPC operation on a loop's queue is started with, as its tag: told once on the loop's thread that it has
// ended.
class QueueTag {
 public:
  virtual void on_complete(bool ok) = 0;
  void* tag() { return this; }  // of this base, whatever it is part of

 protected:
  ~QueueTag() = default;
};

// Calls a member of its owner.
template <class Owner>
class MemberTag final : public QueueTag {
 public:
  using Member = void (Owner::*)(bool ok);
  MemberTag(Owner& owner, Member member) : owner_(owner), member_(member) {}
  void on_complete(bool ok) override { (owner_.*member_)(ok); }

 private:
  Owner& owner_;
  const Member member_;
};

// Whoever has operations under way that nothing ends by itself.
class QueueGuest {
 public:
  // The loop stops: what is under way has to be cancelled, and leave() called when the last of it has ended. On the
  // thread that stops the loop.
  virtual void abandon() = 0;

 protected:
  ~QueueGuest() = default;
};

// An EventLoop whose thread waits in gRPC's own poller, so that what arrives for a call on this queue is read from its
// socket, parsed and handled on one thread, without a wake-up of another. That needs gRPC's poll strategy, in which
// each queue polls the sockets of its own calls (prepare_grpc() sees to it): in the default one a single thread of the
// process polls for all queues, and hands each message, and then its place, to another.
//
// Posts of other threads wake it by an alarm that is due at once: one write to an eventfd, and none while it is awake.
// One operation's end, what was posted until then and the timers that are due take turns.
class QueueEventLoop final : public io::EventLoop {
 public:
  // `name`, of at most 15 characters, is the thread's. The clock outlives the loop. Errors: io (no threads left).
  static Result<std::unique_ptr<QueueEventLoop>> start(const std::string& name, const Clock& clock,
                                                       std::unique_ptr<grpc::ServerCompletionQueue> queue);
  ~QueueEventLoop() override;  // stops
  QueueEventLoop(const QueueEventLoop&) = delete;
  QueueEventLoop& operator=(const QueueEventLoop&) = delete;

  void post(std::function<void()> task) override;
  bool is_current() const override;
  io::TimerId run_after(Duration delay, std::function<void()> task) override;
  void cancel(io::TimerId timer) override;

  // Ends the thread after the task it runs; then, on the calling thread, where is_current() is true meanwhile, has the
  // guests cancel what is under way, waits for the ends of all operations, and destroys what was posted and not run.
  // Not from the loop itself. Twice is once. A server that uses the queue is stopped before.
  void stop();
  bool is_stopping() const { return stopping_.load(std::memory_order_relaxed); }

  // For operations, which are started on the loop's thread unless they keep the loop from being stopped.
  grpc::ServerCompletionQueue* queue() { return queue_.get(); }
  void enter(QueueGuest& guest);  // loop thread
  void leave(QueueGuest& guest);  // loop thread, or while it is stopped

 private:
  struct Private {};

 public:
  QueueEventLoop(Private, const Clock& clock, std::unique_ptr<grpc::ServerCompletionQueue> queue);

 private:
  void run();
  void run_posted();
  void run_timers();
  void woken(bool ok) EXCLUDES(mutex_);
  void wake() REQUIRES(mutex_);
  gpr_timespec fall_asleep() EXCLUDES(mutex_);
  void empty_queue();

  const Clock& clock_;
  const std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::thread::id> owner_;  // the loop's thread; after stop() the one that cleans up
  std::thread thread_;

  Mutex mutex_;  // before those inside gRPC, which calls nothing of ours
  std::vector<std::function<void()>> posted_ GUARDED_BY(mutex_);
  bool asleep_ GUARDED_BY(mutex_) = false;  // it does not look at posted_ before something ends
  bool waking_ GUARDED_BY(mutex_) = false;  // the alarm is set, and its end not taken
  grpc::Alarm alarm_ GUARDED_BY(mutex_);
  MemberTag<QueueEventLoop> woken_{*this, &QueueEventLoop::woken};

  // Loop thread only.
  io::TimerWheel timers_;
  std::vector<std::function<void()>> running_;
  std::vector<QueueGuest*> guests_;  // bounded by the streams of the cluster's brokers
};

}  // namespace millrace::rpc
