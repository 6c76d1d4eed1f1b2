#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "broker/base/mutex.h"
#include "broker/base/result.h"

namespace millrace::admin {

// Lets a thread wait for what a loop does. The loop's side holds completions: when the last one is destroyed
// without having been used, because the loop has stopped, the wait ends with shutting_down. What is waited for has a
// time limit of its own on the loop.
template <class T>
class Waiter {
  struct State {
    Mutex mutex;
    Condition done;
    std::optional<Result<T>> result GUARDED_BY(mutex);
  };

 public:
  class Completion {
   public:
    explicit Completion(std::shared_ptr<State> state) : state_(std::move(state)) {}
    Completion(const Completion&) = delete;
    Completion& operator=(const Completion&) = delete;
    ~Completion() { complete(Error{Errc::shutting_down, ""}); }
    // The first one counts.
    void complete(Result<T> result) {
      MutexLock lock(state_->mutex);
      if (state_->result) return;
      state_->result.emplace(std::move(result));
      state_->done.notify_all();
    }

   private:
    const std::shared_ptr<State> state_;
  };

  std::shared_ptr<Completion> completion() const { return std::make_shared<Completion>(state_); }
  Result<T> wait() {
    MutexLock lock(state_->mutex);
    while (!state_->result) state_->done.wait(state_->mutex);
    return std::move(*state_->result);
  }

 private:
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace millrace::admin
