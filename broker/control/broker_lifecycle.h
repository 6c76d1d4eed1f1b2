#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "broker/base/clock.h"
#include "broker/control/controller_client.h"
#include "broker/metadata/broker_commands.h"

namespace millrace::control {

// How long after a hand-over because of a failing disk the next one may come: where all disks fail, leadership would go
// round and round.
inline constexpr std::chrono::seconds kHandOverPause{10};

// All pointers are borrowed and outlive the lifecycle.
struct BrokerLifecycleOptions {
  ControllerClient* client = nullptr;
  io::EventLoop* loop = nullptr;  // the client's
  Clock* clock = nullptr;
  metadata::RegisterBroker registration;               // as it is to be registered; fenced
  std::function<Offset()> metadata_offset;             // that this broker's image is at
  Duration session{std::chrono::seconds(2)};           // broker.session.timeout.ms
  Duration heartbeat{std::chrono::milliseconds(500)};  // broker.heartbeat.interval.ms
  ControlMetrics* metrics = nullptr;                   // may be null
  std::function<uint64_t()> failed_writes;             // of this broker's disk since its start; empty: nobody counts
};

// Told on the loop.
class BrokerLifecycleEvents {
 public:
  virtual ~BrokerLifecycleEvents() = default;
  virtual void on_registered(int64_t epoch) = 0;
  // The controller counts this broker in (it may lead), or no longer does. An isolated broker has not reached the
  // controller for a session, which may have given what it leads to others.
  virtual void on_state(bool fenced, bool isolated) = 0;
  // This process has no place in the cluster: it has to end. One sentence.
  virtual void on_refused(const Error& why) = 0;
};

// A broker's membership: registers, sends heartbeats, says what the controller thinks of it, and asks to be let go
// before a stop. When writes fail it asks that others lead what they can: who cannot write would refuse everybody.
// start() and stop on any thread; everything else happens on the loop.
class BrokerLifecycle {
 public:
  BrokerLifecycle(BrokerLifecycleOptions options, BrokerLifecycleEvents& events);

  void start();
  // Asks the controller to take leadership away, and calls `done` once that has happened (empty: nothing is left
  // without a leader), no controller has answered for a session, it refuses this broker, or `timeout` has passed. The
  // words name what goes down with this broker.
  void shut_down(Duration timeout, std::function<void(std::string)> done);
  // Something changed that the controller waits for: the next heartbeat is sent now. Any thread.
  void hurry();
  // No call, no event from here on. On the loop.
  void stop();

  int64_t epoch() const { return epoch_.load(std::memory_order_acquire); }  // -1 before it is registered; any thread

 private:
  enum class State : uint8_t { registering, running, shutting_down, stopped };

  void register_now();
  void on_registration(const Result<ControllerAnswer>& answer);
  void beat();
  void on_heartbeat(const Result<ControllerAnswer>& answer);
  void next_beat(Duration after);
  void hand_over_if_writes_fail(TimePoint now);
  void renew(TimePoint contact);
  void update(bool fenced, bool isolated);
  void finish_shutdown(const std::string& words);

  const BrokerLifecycleOptions options_;
  BrokerLifecycleEvents& events_;
  std::atomic<int64_t> epoch_{-1};
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // what is answered late asks whether we still are

  State state_ = State::registering;
  bool is_fenced_ = true;
  bool is_isolated_ = true;
  bool beating_ = false;
  bool hurried_ = false;  // while a heartbeat was under way
  io::TimerId timer_ = 0;
  io::TimerId isolation_timer_ = 0;
  TimePoint sent_{};
  uint64_t failed_writes_ = 0;  // that were answered by a hand-over
  TimePoint handed_over_{TimePoint::min()};
  TimePoint shutdown_deadline_{};
  std::function<void(std::string)> shutdown_done_;
};

}  // namespace millrace::control
