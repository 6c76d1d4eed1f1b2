#pragma once

#include <atomic>
#include <memory>

#include "broker/raft/node/applier.h"
#include "broker/raft/node/disk.h"
#include "broker/raft/node/driver.h"
#include "broker/raft/node/node.h"

namespace millrace::raft {

// What a node consists of, kept by it and by whatever it has posted.
struct NodeParts : std::enable_shared_from_this<NodeParts> {
  NodeParts(NodeOptions node_options, std::unique_ptr<Store> node_store, const Restored& restored)
      : options(std::move(node_options)),
        store(std::move(node_store)),
        applier(*this),
        disk(*this),
        driver(*this, restored) {}

  const NodeOptions options;
  NodeMetrics metrics;
  const std::unique_ptr<Store> store;  // of the disk loop, once the node works
  Applier applier;
  Disk disk;
  Driver driver;
  std::atomic<bool> ended{false};  // by an error or a crash: nothing is sent, written, applied or answered any more
  std::atomic<uint64_t> inbox_messages{0};
  std::atomic<uint64_t> inbox_bytes{0};
  std::atomic<uint64_t> dropped{0};
  std::atomic<uint64_t> requests{0};  // that wait for their answer

  // Runs `task` on `loop`, unless the node has ended by then.
  template <class Task>
  void post(io::EventLoop& loop, Task task) {
    loop.post([self = shared_from_this(), task = std::move(task)]() mutable {
      if (!self->ended.load(std::memory_order_acquire)) task();
    });
  }
  template <class Task>
  void to_driver(Task task) {
    post(*options.driver_loop, std::move(task));
  }
  template <class Task>
  void to_machine(Task task) {
    post(*options.apply_loop, std::move(task));
  }
  // Room in the inbox, for a message with so many bytes; without, the message is lost.
  bool take_room(uint64_t bytes) {
    const bool room = inbox_messages.fetch_add(1, std::memory_order_relaxed) < options.inbox_messages_max;
    if (inbox_bytes.fetch_add(bytes, std::memory_order_relaxed) < options.inbox_bytes_max && room) return true;
    give_room(bytes);
    dropped.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  void give_room(uint64_t bytes) {
    inbox_messages.fetch_sub(1, std::memory_order_relaxed);
    inbox_bytes.fetch_sub(bytes, std::memory_order_relaxed);
  }
  // Also when the node has ended.
  void answer(Node::Done done, Result<Index> result) {
    requests.fetch_sub(1, std::memory_order_relaxed);
    options.apply_loop->post([done = std::move(done), result = std::move(result)] { done(result); });
  }
  // Hands a request over, in the order of the calls; `admitted`: there is room for it.
  template <class Request>
  void request(Request handle) {
    const bool admitted = requests.fetch_add(1, std::memory_order_relaxed) < options.requests_max;
    options.driver_loop->post([self = shared_from_this(), handle = std::move(handle), admitted]() mutable {
      handle(self->driver, admitted);
    });
  }
  void fail(const Error& error) {
    if (!ended.exchange(true, std::memory_order_acq_rel)) options.on_fatal(error);
  }
};

}  // namespace millrace::raft
