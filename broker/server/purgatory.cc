#include "broker/server/purgatory.h"

#include <algorithm>

#include "broker/base/ensure.h"

namespace millrace::server {

// Life of an operation: waiting → finished, once. While one thread asks `ready`, others that wake it only note that it
// has to be asked again, or that it has to end.
struct Purgatory::Operation {
  enum class State : uint8_t { idle, asking, ask_again, finish_requested, finished };

  WaitingOperation what;
  uint64_t number = 0;                      // in the order in which they came
  std::vector<Watch> watches;               // as many as there are keys, and never moved
  std::atomic<State> state{State::asking};  // by park(), until all watches are linked: before that it cannot end
  std::atomic<WakeReason> requested{WakeReason::deadline};  // with finish_requested
  io::TimerId timer = 0;                                    // loop thread
  bool ended = false;                                       // loop thread
};

Purgatory::Purgatory(Clock& clock) : clock_(clock) {}

Purgatory::~Purgatory() { ENSURE(parked() == 0); }

void Purgatory::park(WaitingOperation what, std::span<const WatchKey> keys, TimePoint deadline) {
  auto operation = std::make_shared<Operation>();
  operation->what = std::move(what);
  operation->number = last_number_.fetch_add(1, std::memory_order_relaxed);
  operation->watches.resize(std::max<size_t>(keys.size(), 1));
  operation->watches[0].key = watch_key(operation.get());  // without keys: for shut_down() to find it
  for (size_t i = 0; i < keys.size(); ++i) operation->watches[i].key = keys[i];
  const int64_t before = parked_.fetch_add(1);  // before `ready` is asked: see wake()
  for (Watch& one : operation->watches) watch(one, operation);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  ask(operation);
  if (operation->state.load() == Operation::State::finished) return;
  if (stopping_.load()) return finish(operation, WakeReason::shutting_down);
  const Duration left = deadline - clock_.now();
  if (left <= Duration::zero() || before >= kParkedMax) return finish(operation, WakeReason::deadline);

  auto arm = [this, operation, left] {
    if (operation->ended) return;
    operation->timer = operation->what.loop->run_after(left, [this, operation] {
      operation->timer = 0;
      finish(operation, WakeReason::deadline);
    });
  };
  if (operation->what.loop->is_current()) {
    arm();
  } else {
    operation->what.loop->post(std::move(arm));
  }
}

void Purgatory::watch(Watch& watch, const OperationPointer& operation) {
  Shard& shard = shard_of(watch.key);
  MutexLock lock(shard.mutex);
  Watchers& watchers = shard.watchers[watch.key];
  watch.operation = operation;
  watch.previous = watchers.last;
  (watchers.last == nullptr ? watchers.first : watchers.last->next) = &watch;
  watchers.last = &watch;
  ++watchers.count;
}

void Purgatory::unwatch(Watch& watch) {
  Shard& shard = shard_of(watch.key);
  MutexLock lock(shard.mutex);
  const auto found = shard.watchers.find(watch.key);
  Watchers& watchers = found->second;
  (watch.previous == nullptr ? watchers.first : watch.previous->next) = watch.next;
  (watch.next == nullptr ? watchers.last : watch.next->previous) = watch.previous;
  watch.operation = nullptr;  // not the last reference: the caller has one
  visited_.add();
  if (--watchers.count == 0) shard.watchers.erase(found);
}

void Purgatory::wake_watchers(WatchKey key) {
  std::vector<OperationPointer> woken;
  {
    Shard& shard = shard_of(key);
    MutexLock lock(shard.mutex);
    const auto found = shard.watchers.find(key);
    if (found == shard.watchers.end()) return;
    woken.reserve(found->second.count);
    for (const Watch* one = found->second.first; one != nullptr; one = one->next) woken.push_back(one->operation);
  }
  visited_.add(woken.size());
  for (const OperationPointer& operation : woken) check(operation);
}

void Purgatory::check(const OperationPointer& operation) {
  using State = Operation::State;
  State state = operation->state.load();
  for (;;) {
    if (state != State::idle && state != State::asking) return;  // will be asked again, or needs not
    const State wanted = state == State::idle ? State::asking : State::ask_again;
    if (!operation->state.compare_exchange_weak(state, wanted)) continue;
    if (wanted == State::ask_again) return;  // the thread that asks will do so once more
    break;
  }
  ask(operation);
}

// The caller has put it into the state asking.
void Purgatory::ask(const OperationPointer& operation) {
  using State = Operation::State;
  for (;;) {
    if (operation->what.ready && operation->what.ready()) {
      operation->state.store(State::finished);
      return run_finish(operation, WakeReason::ready);
    }
    State expected = State::asking;
    if (operation->state.compare_exchange_strong(expected, State::idle)) return;
    if (expected == State::ask_again) {
      // Not when finish() came in between: then it is its turn.
      if (operation->state.compare_exchange_strong(expected, State::asking)) continue;
    }
    operation->state.store(State::finished);
    return run_finish(operation, operation->requested.load());
  }
}

void Purgatory::finish(const OperationPointer& operation, WakeReason reason) {
  using State = Operation::State;
  State state = operation->state.load();
  for (;;) {
    if (state == State::finished || state == State::finish_requested) return;
    if (state == State::idle) {
      if (!operation->state.compare_exchange_weak(state, State::finished)) continue;
      return run_finish(operation, reason);
    }
    // Another thread asks it just now: that one finishes it, so that ready and finish never overlap.
    operation->requested.store(reason);
    if (operation->state.compare_exchange_weak(state, State::finish_requested)) return;
  }
}

void Purgatory::run_finish(const OperationPointer& operation, WakeReason reason) {
  for (Watch& one : operation->watches) unwatch(one);
  (reason == WakeReason::ready ? completed_ : expired_).add(reason == WakeReason::shutting_down ? 0 : 1);
  auto end = [operation, reason] {
    operation->ended = true;
    if (operation->timer != 0) operation->what.loop->cancel(std::exchange(operation->timer, 0));
    operation->what.finish(reason);
    operation->what.finish = nullptr;
    operation->what.ready = nullptr;
  };
  io::EventLoop& loop = *operation->what.loop;
  if (loop.is_current()) {
    end();
  } else {
    loop.post(std::move(end));
  }
  parked_.fetch_sub(1);
}

void Purgatory::shut_down() {
  stopping_.store(true);
  std::vector<OperationPointer> waiting;
  for (Shard& shard : shards_) {
    MutexLock lock(shard.mutex);
    for (const auto& [key, watchers] : shard.watchers) {
      for (const Watch* one = watchers.first; one != nullptr; one = one->next) waiting.push_back(one->operation);
    }
  }
  std::sort(waiting.begin(), waiting.end(), [](const auto& a, const auto& b) { return a->number < b->number; });
  for (const OperationPointer& operation : waiting) finish(operation, WakeReason::shutting_down);
}

}  // namespace millrace::server
