#pragma once

#include <functional>

#include "broker/base/clock.h"
#include "broker/io/event_loop.h"
#include "broker/replication/peer_transport.h"

namespace millrace::replication {

inline constexpr Duration kPingAfter = std::chrono::milliseconds(500);     // of silence
inline constexpr Duration kLinkTimeout = std::chrono::milliseconds(3000);  // of silence: the stream is dead

// Watches one end of a link: asks when nothing was heard for a while, and says when the peer must be taken for dead.
// One timer for each link, whatever the number of partitions on it. The link's loop.
class LinkLiveness {
 public:
  struct Options {
    io::EventLoop& loop;
    Clock& clock;
  };
  LinkLiveness(const Options& options, std::function<void()> ping, std::function<void()> dead)
      : loop_(options.loop),
        clock_(options.clock),
        ping_(std::move(ping)),
        dead_(std::move(dead)),
        heard_(clock_.now()) {
    arm();
  }
  ~LinkLiveness() { loop_.cancel(timer_); }
  LinkLiveness(const LinkLiveness&) = delete;
  LinkLiveness& operator=(const LinkLiveness&) = delete;

  void heard() { heard_ = clock_.now(); }
  TimePoint last_heard() const { return heard_; }

 private:
  void arm() {
    timer_ = loop_.run_after(kPingAfter, [this] {
      const Duration silence = clock_.now() - heard_;
      arm();
      if (silence >= kLinkTimeout) {
        const std::function<void()> dead = dead_;  // may destroy this
        return dead();
      }
      if (silence >= kPingAfter) ping_();
    });
  }

  io::EventLoop& loop_;
  Clock& clock_;
  const std::function<void()> ping_;
  const std::function<void()> dead_;
  TimePoint heard_;
  io::TimerId timer_ = 0;
};

}  // namespace millrace::replication
