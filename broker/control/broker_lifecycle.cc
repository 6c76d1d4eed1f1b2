#include "broker/control/broker_lifecycle.h"

#include <utility>

#include "broker/base/logger.h"

namespace millrace::control {
namespace {

const Logger kLog("control");

constexpr std::chrono::seconds kRegistrationTimeout{5};       // of one call; it is repeated
constexpr std::chrono::milliseconds kRegistrationPause{200};  // before it is
constexpr std::chrono::milliseconds kShutdownHeartbeat{20};   // while leadership is handed over

// What no later attempt can mend.
bool is_final(Errc code) {
  return code == Errc::cluster_mismatch || code == Errc::duplicate_registration || code == Errc::unsupported_version ||
         code == Errc::stale_broker_epoch;
}

std::string words_of(const metadata::BrokerHeartbeatReply& reply) {
  if (reply.left_without_leader == 0) return {};
  std::string words = std::to_string(reply.left_without_leader) + " partitions that nobody else can lead: ";
  for (size_t i = 0; i < reply.without_leader.size(); ++i) {
    words += (i > 0 ? ", " : "") + reply.without_leader[i].topic + "-" +
             std::to_string(reply.without_leader[i].partition.value());
  }
  if (static_cast<size_t>(reply.left_without_leader) > reply.without_leader.size()) words += ", ...";
  return words;
}

}  // namespace

BrokerLifecycle::BrokerLifecycle(BrokerLifecycleOptions options, BrokerLifecycleEvents& events)
    : options_(std::move(options)), events_(events) {}

void BrokerLifecycle::start() {
  options_.loop->post([this, alive = alive_] {
    if (*alive) register_now();
  });
}

void BrokerLifecycle::stop() {
  *alive_ = false;
  state_ = State::stopped;
  options_.loop->cancel(timer_);
  options_.loop->cancel(isolation_timer_);
}

void BrokerLifecycle::register_now() {
  if (state_ != State::registering) return;
  options_.client->call(options_.registration, kRegistrationTimeout,
                        [this, alive = alive_](const Result<ControllerAnswer>& answer) {
                          if (*alive) on_registration(answer);
                        });
}

void BrokerLifecycle::on_registration(const Result<ControllerAnswer>& answer) {
  if (state_ != State::registering) return;
  if (!answer) {
    if (is_final(answer.error().code)) {
      state_ = State::stopped;
      events_.on_refused(answer.error());
      return;
    }
    kLog.info("not registered yet", {{"why", answer.error().to_string()}});
    timer_ = options_.loop->run_after(kRegistrationPause, [this] { register_now(); });
    return;
  }
  const int64_t epoch = std::get<metadata::RegisterBrokerReply>(*answer).epoch;
  epoch_.store(epoch, std::memory_order_release);
  state_ = State::running;
  events_.on_registered(epoch);
  beat();
}

void BrokerLifecycle::beat() {
  if (state_ == State::registering || state_ == State::stopped || std::exchange(beating_, true)) return;
  sent_ = options_.clock->now();
  // An answer that comes later than the next heartbeat is due tells nothing that the next one would not.
  options_.client->call(metadata::BrokerHeartbeat{.id = options_.registration.id,
                                                  .epoch = epoch(),
                                                  .metadata_offset = options_.metadata_offset(),
                                                  .want_fence = false,
                                                  .want_shutdown = state_ == State::shutting_down},
                        options_.heartbeat, [this, alive = alive_](const Result<ControllerAnswer>& answer) {
                          if (*alive) on_heartbeat(answer);
                        });
}

void BrokerLifecycle::on_heartbeat(const Result<ControllerAnswer>& answer) {
  beating_ = false;
  if (options_.metrics != nullptr) (answer ? options_.metrics->heartbeats : options_.metrics->failed_heartbeats).add();
  const TimePoint now = options_.clock->now();
  if (state_ == State::shutting_down && now >= shutdown_deadline_) {
    finish_shutdown("leadership was not handed over in time");
    return;
  }
  if (!answer) {
    if (is_final(answer.error().code) || answer.error().code == Errc::broker_not_registered) {
      if (state_ == State::shutting_down) return finish_shutdown(answer.error().to_string());
      state_ = State::stopped;
      events_.on_refused(answer.error());
      return;
    }
    next_beat(state_ == State::shutting_down ? kShutdownHeartbeat : kRetryMax);
    return;
  }
  renew(sent_);
  const auto& reply = std::get<metadata::BrokerHeartbeatReply>(*answer);
  update(reply.is_fenced, false);
  if (state_ == State::shutting_down) {
    if (reply.should_shut_down) return finish_shutdown(words_of(reply));
    return next_beat(kShutdownHeartbeat);
  }
  hand_over_if_writes_fail(now);
  // A broker that is kept out for being behind hurries, so that it comes in when it has caught up.
  if (std::exchange(hurried_, false)) return next_beat({});
  next_beat(reply.is_fenced ? Duration(kRetryMin) : options_.heartbeat);
}

void BrokerLifecycle::hand_over_if_writes_fail(TimePoint now) {
  const uint64_t failed = options_.failed_writes ? options_.failed_writes() : 0;
  if (failed == failed_writes_ || (handed_over_ != TimePoint::min() && now - handed_over_ < kHandOverPause)) return;
  failed_writes_ = failed;
  handed_over_ = now;
  kLog.warn("writes fail: others are to lead what they can", {{"failed_since_start", failed}});
  options_.client->call(metadata::DrainLeadership{options_.registration.id}, kHandOverPause,
                        [](const Result<ControllerAnswer>& answer) {
                          if (!answer) kLog.warn("leadership stays here", {{"why", answer.error().to_string()}});
                        });
}

void BrokerLifecycle::next_beat(Duration after) {
  options_.loop->cancel(timer_);
  timer_ = options_.loop->run_after(after, [this] { beat(); });
}

// A session counts from when the heartbeat was sent, which is before the controller heard it: this broker knows that it
// may be fenced no later than it is.
void BrokerLifecycle::renew(TimePoint contact) {
  options_.loop->cancel(isolation_timer_);
  isolation_timer_ = options_.loop->run_after(contact + options_.session - options_.clock->now(), [this] {
    if (state_ == State::stopped) return;
    kLog.warn("no controller has answered for a session: others may lead by now what this broker led");
    update(is_fenced_, true);
    // Whoever could take leadership away is gone, or has given it to others by itself.
    if (state_ == State::shutting_down) finish_shutdown("no controller has answered for a session");
  });
}

void BrokerLifecycle::update(bool fenced, bool isolated) {
  if (fenced == is_fenced_ && isolated == is_isolated_) return;
  is_fenced_ = fenced;
  is_isolated_ = isolated;
  events_.on_state(fenced, isolated);
}

void BrokerLifecycle::shut_down(Duration timeout, std::function<void(std::string)> done) {
  options_.loop->post([this, alive = alive_, timeout, done = std::move(done)]() mutable {
    if (!*alive || state_ != State::running) return done("the broker is not registered");
    state_ = State::shutting_down;
    shutdown_deadline_ = options_.clock->now() + timeout;
    shutdown_done_ = std::move(done);
    options_.loop->cancel(timer_);
    beat();
  });
}

void BrokerLifecycle::hurry() {
  options_.loop->post([this, alive = alive_] {
    if (!*alive || state_ != State::running) return;
    if (beating_) {
      hurried_ = true;
      return;
    }
    options_.loop->cancel(timer_);
    beat();
  });
}

void BrokerLifecycle::finish_shutdown(const std::string& words) {
  state_ = State::stopped;
  std::exchange(shutdown_done_, nullptr)(words);
}

}  // namespace millrace::control
