#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/mutex.h"
#include "broker/base/result.h"
#include "broker/machine/decision.h"
#include "broker/machine/log_writer.h"

namespace millrace::machine {

struct RunnerLimits {
  size_t commands_max = 10'000;      // queued and waiting for their commit; one more is refused with `overloaded`
  size_t batch_bytes_max = 900'000;  // of keys and values in one append, if the log takes as much; a decision above it
                                     // is refused
};

// The part of Runner that does not know the machine's type: order, batching, parking of replies. See runner.h.
class RunnerCore : public std::enable_shared_from_this<RunnerCore> {
 public:
  // One command on its way through decide, apply, append and reply.
  class Command {
   public:
    virtual ~Command() = default;
    virtual std::vector<Record> decide(Now now) = 0;  // also keeps the reply
    virtual void apply_also() = 0;
    virtual void finish(Status outcome) = 0;  // exactly once
  };

  RunnerCore(LogWriter& log, const Clock& clock, RunnerLimits limits, Offset next);
  virtual ~RunnerCore();

  void submit(std::unique_ptr<Command> command);
  void stop();
  bool failed() const;

 protected:
  virtual void apply(Offset offset, const Record& record) = 0;
  virtual void on_failed(const Error& error) = 0;

 private:
  struct Outcome {
    uint64_t generation;
    Result<Offset> last;
  };
  struct Batch {
    std::vector<Record> records;
    size_t bytes = 0;
    Offset last{-1};
    std::vector<std::unique_ptr<Command>> commands;
  };

  bool fits(size_t bytes, size_t records) const;  // an append
  void enter();                                   // runs the machine on this thread unless some thread does
  void run();
  void process(std::deque<std::unique_ptr<Command>> commands);
  void decide(std::unique_ptr<Command> command, Batch& batch, Now now);
  void append(Batch& batch);
  void committed(uint64_t generation, Result<Offset> last);
  void settle(Outcome outcome);
  void fail(const Error& error);
  void finish(std::unique_ptr<Command> command, Status outcome);

  LogWriter& log_;
  const Clock& clock_;
  const RunnerLimits limits_;

  mutable Mutex mutex_;  // taken last; nothing foreign is called under it
  Condition idle_;
  std::deque<std::unique_ptr<Command>> incoming_ GUARDED_BY(mutex_);
  std::deque<Outcome> outcomes_ GUARDED_BY(mutex_);
  size_t in_flight_ GUARDED_BY(mutex_) = 0;
  bool running_ GUARDED_BY(mutex_) = false;
  bool stopped_ GUARDED_BY(mutex_) = false;
  bool failed_ GUARDED_BY(mutex_) = false;

  // Touched only by the thread that set running_.
  Offset next_;
  uint64_t generation_ = 0;
  std::optional<Error> failure_;
  std::deque<Batch> parked_;  // appended, not yet committed
};

}  // namespace millrace::machine
