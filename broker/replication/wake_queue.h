#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "broker/io/event_loop.h"

namespace millrace::replication {

// What may wait in a WakeQueue: at most once, whoever puts it there.
template <class T>
class Queueable {
 private:
  template <class>
  friend class WakeQueue;
  std::atomic<bool> queued_{false};
  T* next_ = nullptr;         // behind it; of whoever holds the chain
  std::shared_ptr<T> owner_;  // itself, while it waits
};

// Tells one loop from any thread which of its objects have something to do. push() takes no lock and does nothing for
// what waits already; the loop is woken only when the queue was empty. Owned through shared_ptr by all who push.
template <class T>
class WakeQueue : public std::enable_shared_from_this<WakeQueue<T>> {
 public:
  explicit WakeQueue(io::EventLoop& loop) : loop_(loop) {}
  ~WakeQueue() { take(); }
  WakeQueue(const WakeQueue&) = delete;
  WakeQueue& operator=(const WakeQueue&) = delete;

  // On the loop, before anything is pushed: what to do when there is something to take. Empty at the end: whoever waits
  // then is forgotten.
  void set_handler(std::function<void()> handler) { handler_ = std::move(handler); }

  // Any thread. True when the caller has to wake() the loop; it may release its locks first.
  [[nodiscard]] bool push(std::shared_ptr<T> item) {
    T* raw = item.get();
    Queueable<T>& node = *raw;
    if (node.queued_.exchange(true, std::memory_order_acq_rel)) return false;
    node.owner_ = std::move(item);
    T* head = head_.load(std::memory_order_relaxed);
    do {
      node.next_ = head;
    } while (!head_.compare_exchange_weak(head, raw, std::memory_order_acq_rel, std::memory_order_relaxed));
    return head == nullptr;
  }
  void wake() {
    loop_.post([self = this->shared_from_this()] {
      if (self->handler_) self->handler_();
    });
  }

  // The loop: what waits, in the order in which it came. What changes from now on may be pushed again.
  std::vector<std::shared_ptr<T>> take() {
    std::vector<std::shared_ptr<T>> items;
    for (T* at = head_.exchange(nullptr, std::memory_order_acq_rel); at != nullptr;) {
      Queueable<T>& node = *at;
      at = std::exchange(node.next_, nullptr);
      items.push_back(std::move(node.owner_));
      node.queued_.store(false, std::memory_order_release);
    }
    std::reverse(items.begin(), items.end());
    return items;
  }

 private:
  io::EventLoop& loop_;
  std::function<void()> handler_;
  std::atomic<T*> head_{nullptr};
};

}  // namespace millrace::replication
