#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <unordered_map>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/mutex.h"
#include "broker/base/result.h"
#include "broker/io/file_system.h"
#include "broker/storage/log.h"

namespace millrace::storage {

// What a Flusher flushes: a partition, which guards its Log with its own mutex.
class Flushable {
 public:
  virtual ~Flushable() = default;
  virtual FlushPlan begin_flush() = 0;  // empty() when there is nothing to do
  virtual void end_flush(const FlushPlan& plan, const Status& outcome) = 0;
};

// Flushes logs on its own threads, so that nobody holds a partition's mutex during a flush. Group commit: everything
// that was appended to a log while one flush of it ran is covered by its next one, and the flushes of several logs run
// side by side, which lets the file system commit them together. A log waits at most once in the queue, so the queue
// is no longer than there are logs. Any thread; calls back without holding a lock of its own.
class Flusher {
 public:
  static constexpr size_t kThreads = 2;

  // With threads = 0 nothing runs by itself: tests and simulations call run_due().
  Flusher(io::FileSystem& fs, Clock& clock, size_t threads = kThreads);
  ~Flusher();  // stop()

  // As soon as possible.
  void flush_soon(std::shared_ptr<Flushable> log);
  // No later than `due`; the earliest of several requests counts.
  void flush_by(std::shared_ptr<Flushable> log, TimePoint due);
  // On the calling thread. For shutdown, and callers without a thread of their own to spare.
  Status flush_now(Flushable& log);

  // Flushes everything that is due and answers when the next is.
  std::optional<TimePoint> run_due();
  // Flushes what was asked for, due or not, then joins the threads. Later requests are dropped.
  void stop();

 private:
  struct Waiting {
    std::shared_ptr<Flushable> log;
    TimePoint due;
    bool running = false;
    bool again = false;  // asked for while it ran
  };
  using Queue = std::multimap<TimePoint, Flushable*>;

  void run();
  void enqueue(std::shared_ptr<Flushable> log, TimePoint due) EXCLUDES(mutex_);
  std::shared_ptr<Flushable> take_due(TimePoint now) REQUIRES(mutex_);
  void finish(Flushable* log) REQUIRES(mutex_);

  io::FileSystem& fs_;
  Clock& clock_;
  Mutex mutex_;  // a leaf: never held while a log is called
  Condition changed_;
  std::unordered_map<Flushable*, Waiting> waiting_ GUARDED_BY(mutex_);
  Queue queue_ GUARDED_BY(mutex_);  // what is not running, by due time
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace millrace::storage
