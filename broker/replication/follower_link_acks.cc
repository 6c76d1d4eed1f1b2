// FollowerLink: what the leader is told of, at once or, throttled, later.

#include <algorithm>
#include <utility>

#include "broker/replication/follower_link.h"

namespace millrace::replication {

void FollowerLink::add_ack(const Slot& slot, Ack::Entry at, Ack& ack) {
  slot->acked_end = at.log_end;
  slot->acked_flushed = at.flushed;
  at.number = *slot->number;
  ack.entries.push_back(at);
}

// What is to be slow is acknowledged no faster than its rate: the leader's window is full meanwhile. Not while it is in
// sync, which shows in that it has all that is committed: then others wait for it.
bool FollowerLink::hold_ack(const Slot& slot, const Ack::Entry& at, const Data::Entry& entry) {
  slot->is_held = false;
  if (!slot->partition->throttle().as_follower() || entry.high_watermark <= at.log_end) return false;
  const TimePoint now = context_.clock.now();
  context_.follower_throttle.spend(now, batch_bytes(entry));
  if (context_.follower_throttle.pause(now) == Duration()) return false;
  slot->is_held = true;
  held_.push_back(slot);
  release_held_later();
  return true;
}

void FollowerLink::release_held_later() {
  if (held_timer_ != 0) return;
  const Duration pause = std::min(context_.follower_throttle.pause(context_.clock.now()), kHoldMax);
  held_timer_ = loop_.run_after(pause, [this] {
    held_timer_ = 0;
    release_held();
  });
}

void FollowerLink::release_held() {
  if (context_.follower_throttle.pause(context_.clock.now()) > Duration()) return release_held_later();
  Ack ack;
  for (const Slot& slot : std::exchange(held_, {})) {
    if (!std::exchange(slot->is_held, false) || slot->is_closed || !slot->number) continue;
    const Result<Ack::Entry> at = slot->partition->progress(slot->epoch);
    if (at) add_ack(slot, *at, ack);
  }
  if (is_open() && !ack.entries.empty()) link_->send(std::move(ack));
}

void FollowerLink::take_woken() {
  Ack ack;
  for (const Slot& slot : queue_->take()) {
    if (slot->is_closed) continue;
    if (slot->partition->damage()) {
      mend(slot);
      continue;
    }
    if (!slot->number || slot->is_held) continue;
    const Result<Ack::Entry> at = slot->partition->progress(slot->epoch);
    if (!at) {
      if (!failed(slot, at.error())) return;
      continue;
    }
    if (at->log_end != slot->acked_end || at->flushed != slot->acked_flushed) add_ack(slot, *at, ack);
  }
  if (is_open() && !ack.entries.empty()) link_->send(std::move(ack));
}

}  // namespace millrace::replication
