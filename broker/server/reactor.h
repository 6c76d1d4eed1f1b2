#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <string_view>

#include "broker/base/clock.h"
#include "broker/io/event_loop.h"
#include "broker/server/connection_limits.h"
#include "broker/server/rate_limited_log.h"
#include "broker/server/request_memory.h"
#include "broker/server/server_config.h"
#include "broker/server/server_metrics.h"

namespace millrace::server {

class Connection;
class Dispatcher;

// What the connections of a whole server share. Lives as long as any of them.
struct Shared {
  Shared(const ServerConfig& server_config, const Clock& server_clock);
  const ServerConfig config;
  const Clock& clock;
  ServerMetrics metrics;
  RequestMemory memory;
  ConnectionLimits limits;
  RateLimitedLog refused;  // connections closed for what the client sent
  Dispatcher* dispatcher = nullptr;
};

// The connections of one loop, and what they share there: a read buffer and the order in which they were last active.
// Loop thread only, except load(). Outlives its connections.
class Reactor {
 public:
  Reactor(Shared& shared, io::EventLoop& loop);
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  using Order = std::list<std::shared_ptr<Connection>>;
  void add(std::shared_ptr<Connection> connection);
  // The last reference may go: keep one while on the connection's stack.
  void remove(Connection& connection);
  void touch(Connection& connection);
  // Stops reading on all connections, closes each once it owes nothing, and calls `drained` when there are none left.
  void drain(std::function<void()> drained);
  void close_all();

  io::EventLoop& loop() { return loop_; }
  std::span<std::byte> scratch();
  size_t load() const { return count_.load(std::memory_order_relaxed); }
  void count_in_advance() { count_.fetch_add(1, std::memory_order_relaxed); }
  void uncount() { count_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  static constexpr size_t kScratchBytes = 64 << 10;
  void arm_idle_timer();
  void close_idle();

  Shared& shared_;
  io::EventLoop& loop_;
  std::unique_ptr<std::byte[]> scratch_;
  Order by_activity_;  // longest idle first
  std::atomic<size_t> count_{0};
  bool idle_timer_armed_ = false;
  std::function<void()> drained_;
};

}  // namespace millrace::server
