#include "broker/server/reactor.h"

#include <algorithm>

#include "broker/base/ensure.h"
#include "broker/server/connection.h"

namespace millrace::server {
namespace {

const Logger kLog("server");

}  // namespace

Shared::Shared(const ServerConfig& server_config, const Clock& server_clock)
    : config(server_config),
      clock(server_clock),
      memory(server_config.queued_bytes_max),
      limits(server_config.connections_max, server_config.connections_per_ip_max),
      refused(kLog, server_clock) {}

Reactor::Reactor(Shared& shared, io::EventLoop& loop) : shared_(shared), loop_(loop) {}

std::span<std::byte> Reactor::scratch() {
  // At the first read: a broker that nobody talks to does not pay for it.
  if (!scratch_) scratch_ = std::make_unique_for_overwrite<std::byte[]>(kScratchBytes);
  return {scratch_.get(), kScratchBytes};
}

void Reactor::add(std::shared_ptr<Connection> connection) {
  ENSURE(loop_.is_current());
  Connection& added = *connection;
  added.place_ = by_activity_.insert(by_activity_.end(), std::move(connection));
  added.last_active_ = shared_.clock.now();
  shared_.metrics.connections.add(1);
  arm_idle_timer();
  added.start();
  if (drained_) added.drain();
}

void Reactor::remove(Connection& connection) {
  ENSURE(loop_.is_current());
  by_activity_.erase(connection.place_);
  shared_.metrics.connections.add(-1);
  shared_.limits.remove(connection.info()->peer.host);
  uncount();
  if (drained_ && by_activity_.empty()) std::exchange(drained_, nullptr)();
}

void Reactor::touch(Connection& connection) {
  connection.last_active_ = shared_.clock.now();
  by_activity_.splice(by_activity_.end(), by_activity_, connection.place_);
}

void Reactor::arm_idle_timer() {
  if (idle_timer_armed_ || by_activity_.empty()) return;
  idle_timer_armed_ = true;
  const TimePoint due = by_activity_.front()->last_active() + shared_.config.idle_max;
  loop_.run_after(std::max<Duration>(due - shared_.clock.now(), Duration::zero()), [this] {
    idle_timer_armed_ = false;
    close_idle();
    arm_idle_timer();
  });
}

void Reactor::close_idle() {
  while (!by_activity_.empty()) {
    const std::shared_ptr<Connection> oldest = by_activity_.front();
    if (shared_.clock.now() - oldest->last_active() < shared_.config.idle_max) return;
    if (oldest->is_waiting_for_client()) {
      oldest->close(CloseReason::idle);
    } else {
      touch(*oldest);  // it waits for us
    }
  }
}

void Reactor::drain(std::function<void()> drained) {
  ENSURE(loop_.is_current());
  if (by_activity_.empty()) return drained();
  drained_ = std::move(drained);
  const Order connections = by_activity_;
  for (const std::shared_ptr<Connection>& connection : connections) connection->drain();
}

void Reactor::close_all() {
  ENSURE(loop_.is_current());
  const Order connections = by_activity_;
  for (const std::shared_ptr<Connection>& connection : connections) connection->close(CloseReason::shutting_down);
}

}  // namespace millrace::server
