#include "broker/machine/runner_core.h"

#include <utility>

namespace millrace::machine {
namespace {

size_t bytes_of(const std::vector<Record>& records) {
  size_t bytes = 0;
  for (const Record& record : records) {
    bytes += (record.key ? record.key->size() : 0) + (record.value ? record.value->size() : 0);
  }
  return bytes;
}

}  // namespace

RunnerCore::RunnerCore(LogWriter& log, const Clock& clock, RunnerLimits limits, Offset next)
    : log_(log), clock_(clock), limits_(limits), next_(next) {}

RunnerCore::~RunnerCore() { ENSURE(parked_.empty()); }

void RunnerCore::submit(std::unique_ptr<Command> command) {
  std::unique_ptr<Command> refused;
  bool stopped = false;
  {
    MutexLock lock(mutex_);
    stopped = stopped_;
    if (stopped || in_flight_ >= limits_.commands_max) {
      refused = std::move(command);
    } else {
      ++in_flight_;
      incoming_.push_back(std::move(command));
    }
  }
  if (!refused) return enter();
  refused->finish(Error{stopped ? Errc::shutting_down : Errc::overloaded, "too many commands wait"});
}

void RunnerCore::stop() {
  {
    MutexLock lock(mutex_);
    stopped_ = true;
  }
  enter();
  MutexLock lock(mutex_);
  while (running_) idle_.wait(mutex_);
}

bool RunnerCore::failed() const {
  MutexLock lock(mutex_);
  return failed_;
}

void RunnerCore::committed(uint64_t generation, Result<Offset> last) {
  {
    MutexLock lock(mutex_);
    outcomes_.push_back(Outcome{generation, std::move(last)});
  }
  enter();
}

void RunnerCore::enter() {
  {
    MutexLock lock(mutex_);
    if (running_) return;  // whoever runs looks again before leaving
    running_ = true;
  }
  run();
}

void RunnerCore::run() {
  for (;;) {
    std::deque<std::unique_ptr<Command>> commands;
    std::deque<Outcome> outcomes;
    bool stopped = false;
    {
      MutexLock lock(mutex_);
      stopped = stopped_;
      if (incoming_.empty() && outcomes_.empty() && !(stopped && !parked_.empty())) {
        running_ = false;
        idle_.notify_all();
        return;
      }
      commands.swap(incoming_);
      outcomes.swap(outcomes_);
    }
    for (Outcome& outcome : outcomes) settle(std::move(outcome));
    if (stopped) {
      ++generation_;  // outcomes that come later are nobody's
      std::deque<Batch> parked = std::exchange(parked_, {});
      for (Batch& batch : parked) {
        for (auto& command : batch.commands) finish(std::move(command), Error{Errc::shutting_down, {}});
      }
      for (auto& command : commands) finish(std::move(command), Error{Errc::shutting_down, {}});
      continue;
    }
    process(std::move(commands));
  }
}

void RunnerCore::process(std::deque<std::unique_ptr<Command>> commands) {
  if (commands.empty()) return;
  const Now now{.monotonic = clock_.now(), .wall_ms = clock_.wall_ms()};
  Batch batch;
  for (auto& command : commands) {
    if (failure_) {
      finish(std::move(command), Error(*failure_));
    } else {
      decide(std::move(command), batch, now);
    }
  }
  append(batch);
}

bool RunnerCore::fits(size_t bytes, size_t records) const {
  return bytes <= limits_.batch_bytes_max && bytes + records * LogWriter::kRecordOverheadMax <= log_.batch_bytes_max();
}

void RunnerCore::decide(std::unique_ptr<Command> command, Batch& batch, Now now) {
  std::vector<Record> records = command->decide(now);
  const size_t bytes = bytes_of(records);
  if (!fits(bytes, records.size())) {
    return finish(std::move(command), Error{Errc::message_too_large, "records of one command"});
  }
  // A full batch leaves before these records count.
  if (!fits(batch.bytes + bytes, batch.records.size() + records.size())) append(batch);
  for (const Record& record : records) {
    apply(next_, record);
    next_ = next_.next();
  }
  command->apply_also();
  if (records.empty() && batch.records.empty()) {
    if (parked_.empty()) return finish(std::move(command), ok());
    parked_.back().commands.push_back(std::move(command));
    return;
  }
  batch.bytes += bytes;
  std::move(records.begin(), records.end(), std::back_inserter(batch.records));
  batch.commands.push_back(std::move(command));
}

void RunnerCore::append(Batch& batch) {
  if (batch.records.empty()) return;
  batch.last = next_.previous();
  std::vector<Record> records = std::move(batch.records);
  // Parked first: the commit may be reported before append() returns.
  parked_.push_back(std::exchange(batch, {}));
  log_.append(std::move(records), [self = shared_from_this(), generation = generation_](Result<Offset> last) {
    self->committed(generation, std::move(last));
  });
}

void RunnerCore::settle(Outcome outcome) {
  if (outcome.generation != generation_) return;
  if (!outcome.last) return fail(outcome.last.error());
  ENSURE(!parked_.empty());
  if (*outcome.last != parked_.front().last) {
    return fail(Error{Errc::conflict,
                      "the log has records of another writer at offset " + std::to_string(outcome.last->value())});
  }
  Batch batch = std::move(parked_.front());
  parked_.pop_front();
  for (auto& command : batch.commands) finish(std::move(command), ok());
}

void RunnerCore::fail(const Error& error) {
  failure_ = error;
  ++generation_;
  {
    MutexLock lock(mutex_);
    failed_ = true;
  }
  std::deque<Batch> parked = std::exchange(parked_, {});
  for (Batch& batch : parked) {
    for (auto& command : batch.commands) finish(std::move(command), Error(error));
  }
  on_failed(error);
}

void RunnerCore::finish(std::unique_ptr<Command> command, Status outcome) {
  {
    MutexLock lock(mutex_);
    --in_flight_;
  }
  command->finish(std::move(outcome));
}

}  // namespace millrace::machine
