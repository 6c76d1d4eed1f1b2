#pragma once

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "broker/machine/runner_core.h"

namespace millrace::machine {

template <class State>
struct RunnerOptions {
  LogWriter* log = nullptr;
  const Clock* clock = nullptr;
  RunnerLimits limits;
  State state;     // after replay of the log
  Offset next{0};  // offset that the next record of the log gets: the runner is the log's only writer
  // An append failed: the state is ahead of the log. Every waiting command has been answered with the error, and later
  // ones are; whoever replays the log makes another runner. Called once, may hand the work on to another thread. May be
  // empty.
  std::function<void(const Error&)> on_failed;
};

// Runs one deterministic machine: a command is decided on the state (const), its records are applied and appended, and
// it is answered when they are committed. A decision sees what earlier commands decided even before that is committed,
// so every answer, that of a read too, waits until everything before it has committed.
//
// Thread-safe. There is no thread of its own: a command runs on the thread that submits it, unless another one is in
// the machine, which then takes it along (nobody waits for a lock while another appends). Replies run one at a time, in
// order, on a thread that submits or that reports a commit; they may submit again and must not block. Commands taken
// together are appended as one batch. `State` has void apply(Offset, const Record&), which cannot fail.
template <class State>
class Runner {
 public:
  explicit Runner(RunnerOptions<State> options)
      : core_(std::make_shared<Core>(*options.log, *options.clock, options.limits, options.next, std::move(options))) {}
  ~Runner() { core_->stop(); }
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // `decide` is Decision<Reply>(const State&, Now) or Decision<Reply, State>(const State&, Now); `done` is called
  // exactly once with the reply or: overloaded (queue full), message_too_large (the decision exceeds a batch; nothing
  // happened), shutting_down, or the log's error (then the outcome is unknown until the log has been replayed).
  template <class Decide, class Done>
  void submit(Decide decide, Done done) {
    core_->submit(std::make_unique<Typed<Decide, Done>>(*core_, std::move(decide), std::move(done)));
  }

  // Refuses further commands, answers waiting ones with shutting_down and returns when no thread is in the machine.
  // Close the log writer first, so that what can be committed is. Not from a reply.
  void stop() { core_->stop(); }
  bool failed() const { return core_->failed(); }

 private:
  struct Core final : RunnerCore {
    Core(LogWriter& log, const Clock& clock, RunnerLimits limits, Offset next, RunnerOptions<State>&& options)
        : RunnerCore(log, clock, limits, next),
          state(std::move(options.state)),
          failed_hook(std::move(options.on_failed)) {}
    void apply(Offset offset, const Record& record) override { state.apply(offset, record); }
    void on_failed(const Error& error) override {
      if (failed_hook) failed_hook(error);
    }
    State state;
    std::function<void(const Error&)> failed_hook;
  };

  template <class Decide, class Done>
  struct Typed final : RunnerCore::Command {
    using Decided = std::invoke_result_t<Decide&, const State&, Now>;
    using Reply = decltype(Decided::reply);
    Typed(Core& core_of, Decide decide_with, Done done_with)
        : core(core_of), how(std::move(decide_with)), done(std::move(done_with)) {}
    std::vector<Record> decide(Now now) override {
      decided.emplace(how(std::as_const(core.state), now));
      return std::move(decided->records);
    }
    void apply_also() override {
      if constexpr (std::is_same_v<decltype(Decided::also), std::function<void(State&)>>) {
        if (decided->also) decided->also(core.state);
      }
    }
    void finish(Status outcome) override {
      if (outcome) {
        done(Result<Reply>(std::move(decided->reply)));
      } else {
        done(Result<Reply>(std::move(outcome).error()));
      }
    }
    Core& core;  // which keeps its commands, so it lives longer
    Decide how;
    Done done;
    std::optional<Decided> decided;
  };

  std::shared_ptr<Core> core_;
};

}  // namespace millrace::machine
