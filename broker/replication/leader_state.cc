#include "broker/replication/leader_state.h"

#include <algorithm>
#include <utility>

namespace millrace::replication {

namespace {

bool holds(const std::vector<BrokerId>& ids, BrokerId id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); }

}  // namespace

Duration LeaderState::Follower::lag(TimePoint now) const {
  if (is_leaving) return Duration::max();
  if (feed != nullptr && mark == kNoOffset) return {};
  if (caught_up_at == TimePoint::min()) return Duration::max();
  return now - caught_up_at;
}

LeaderState::LeaderState(const metadata::PartitionImage& image, BrokerId self, TailBudget* budget, Offset epoch_start,
                         TimePoint now)
    : self_(self), epoch_start_(epoch_start), tail_(budget) {
  set_image(image, epoch_start, now);
}

void LeaderState::set_image(const metadata::PartitionImage& image, Offset log_end, TimePoint now) {
  if (pending_ && image.partition_epoch > pending_->change.partition_epoch) pending_.reset();
  image_ = image;
  // A new replica has all the time that one may lag: whoever it is may just have been started.
  for (const auto* brokers : {&image.replicas, &image.isr}) {
    for (const BrokerId broker : *brokers) {
      if (broker == self_ || find(broker) != nullptr) continue;
      followers_.push_back({.broker = broker, .feed = nullptr, .caught_up_at = now, .mark = log_end, .mark_at = now});
    }
  }
  std::erase_if(followers_, [&](const Follower& follower) {
    const bool stays = holds(image.replicas, follower.broker) || holds(image.isr, follower.broker);
    if (!stays && follower.feed != nullptr) follower.feed->ended = true;
    return !stays;
  });
  for (Follower& follower : followers_) {
    if (!is_member(follower.broker)) follower.is_leaving = false;
  }
}

LeaderState::Follower* LeaderState::find(BrokerId broker) {
  for (Follower& follower : followers_) {
    if (follower.broker == broker) return &follower;
  }
  return nullptr;
}

bool LeaderState::is_member(BrokerId broker) const { return holds(image_.isr, broker); }

bool LeaderState::counts(BrokerId broker) const {
  if (is_member(broker)) return true;
  if (!pending_) return false;
  const auto& isr = pending_->change.isr;
  return std::any_of(isr.begin(), isr.end(), [&](const IsrChange::Member& member) { return member.broker == broker; });
}

Offset LeaderState::high_watermark(const ReplicaProgress& own, bool flush_every_record,
                                   int32_t min_insync_replicas) const {
  const size_t needed = std::min(static_cast<size_t>(std::max(min_insync_replicas, 1)), image_.replicas.size());
  if (image_.isr.size() < needed) return kNoOffset;
  Offset reached = counted(own, flush_every_record);
  for (const Follower& follower : followers_) {
    if (counts(follower.broker)) reached = std::min(reached, counted(follower.at, flush_every_record));
  }
  return reached;
}

void LeaderState::appended(TailCache::Batch batch, TimePoint now) {
  bool is_wanted = false;
  const Offset oldest = tail_.empty() ? batch.base : tail_.front().base;
  for (Follower& follower : followers_) {
    if (follower.mark == kNoOffset) {
      follower.caught_up_at = now;
      follower.mark = batch.end;
      follower.mark_at = now;
    }
    is_wanted = is_wanted || (follower.feed != nullptr && follower.feed->taken >= oldest);
  }
  if (is_wanted) {
    tail_.add(std::move(batch));
  } else {
    tail_.clear();
  }
}

void LeaderState::begin(Follower& follower, const Subscribe::Entry& entry, Offset log_end, Offset high_watermark,
                        bool flushed, TimePoint now) {
  follower.is_leaving = false;  // it has dropped what was damaged, or is another process
  if (follower.mark == kNoOffset) {
    follower.mark = log_end;
    follower.mark_at = now;
  }
  acknowledged(
      follower,
      {.number = entry.number, .log_start = entry.log_start, .log_end = entry.log_end, .flushed = entry.flushed},
      log_end, flushed, now);
  // It has lost what it once had: no election may choose it.
  if (is_member(follower.broker) && counted(follower.at, flushed) < high_watermark) {
    follower.caught_up_at = TimePoint::min();
  }
}

void LeaderState::acknowledged(Follower& follower, const Ack::Entry& ack, Offset log_end, bool flushed, TimePoint now) {
  follower.log_start = ack.log_start;
  follower.at = {ack.log_end, ack.flushed};
  const Offset reached = counted(follower.at, flushed);
  if (reached >= log_end) {
    follower.caught_up_at = now;
    follower.mark = kNoOffset;
  } else if (follower.mark == kNoOffset) {
    follower.mark = log_end;
    follower.mark_at = now;
  } else if (reached >= follower.mark) {
    follower.caught_up_at = std::max(follower.caught_up_at, follower.mark_at);
    follower.mark = log_end;
    follower.mark_at = now;
  }
}

void LeaderState::end(Follower& follower, Offset log_end, TimePoint heard, bool leave) {
  follower.feed = nullptr;
  follower.is_leaving = follower.is_leaving || leave;
  if (follower.mark == kNoOffset) {
    follower.caught_up_at = heard;
    follower.mark = log_end;
    follower.mark_at = heard;
  }
}

void LeaderState::release_tail() {
  if (tail_.empty()) return;
  Offset needed = tail_.end()[-1].end;
  for (const Follower& follower : followers_) {
    if (follower.feed != nullptr && follower.feed->taken >= tail_.front().base) {
      needed = std::min(needed, follower.feed->taken);
    }
  }
  tail_.release_below(needed);
}

bool LeaderState::has_member_behind() const {
  return std::any_of(followers_.begin(), followers_.end(), [&](const Follower& follower) {
    return is_member(follower.broker) &&
           (follower.feed == nullptr || follower.mark != kNoOffset || follower.is_leaving);
  });
}

bool LeaderState::has_lost_member() const {
  return std::any_of(followers_.begin(), followers_.end(), [&](const Follower& follower) {
    return is_member(follower.broker) && (follower.is_leaving || follower.caught_up_at == TimePoint::min());
  });
}

bool LeaderState::has_unheard_member(TimePoint since) const {
  return std::any_of(followers_.begin(), followers_.end(), [&](const Follower& follower) {
    return counts(follower.broker) && (follower.feed == nullptr || follower.feed->pulse->last() <= since);
  });
}

bool LeaderState::is_candidate(const Follower& follower, Offset high_watermark, bool flushed) const {
  return !is_member(follower.broker) && holds(image_.replicas, follower.broker) && follower.feed != nullptr &&
         counted(follower.at, flushed) >= std::max(high_watermark, epoch_start_);
}

bool LeaderState::has_candidate(Offset high_watermark, bool flushed) const {
  return std::any_of(followers_.begin(), followers_.end(),
                     [&](const Follower& follower) { return is_candidate(follower, high_watermark, flushed); });
}

std::optional<IsrChange> LeaderState::next_change(const Wish& wish, const IsEligible& is_eligible) {
  if (pending_) {
    if (pending_->is_asked || pending_->is_settled) return std::nullopt;
    pending_->is_asked = true;
    return pending_->change;
  }
  IsrChange change{.topic_id = wish.topic_id,
                   .partition = wish.partition,
                   .leader_epoch = image_.leader_epoch,
                   .partition_epoch = image_.partition_epoch,
                   .isr = {}};
  for (const BrokerId broker : image_.isr) {
    const Follower* follower = find(broker);
    if (follower == nullptr) {
      change.isr.push_back({broker, wish.own_broker_epoch});
    } else if (follower->lag(wish.now) <=
               (follower->feed != nullptr ? wish.limits.following : wish.limits.not_following)) {
      change.isr.push_back({broker, follower->broker_epoch});
    }
  }
  const size_t kept = change.isr.size();
  for (const Follower& follower : followers_) {
    if (is_candidate(follower, wish.high_watermark, wish.flush_every_record) &&
        is_eligible(follower.broker, follower.broker_epoch)) {
      change.isr.push_back({follower.broker, follower.broker_epoch});
    }
  }
  if (kept == image_.isr.size() && change.isr.size() == kept) return std::nullopt;
  pending_ = Pending{.change = change};
  return change;
}

void LeaderState::answered(const IsrChange& change, IsrOutcome outcome, TimePoint now) {
  if (!pending_ || pending_->change != change) return;
  pending_->is_asked = false;
  switch (outcome) {
    case IsrOutcome::committed:
    case IsrOutcome::stale:
      pending_->is_settled = true;
      return;
    case IsrOutcome::refused:
      if (!pending_->uncertain_until || *pending_->uncertain_until <= now) pending_.reset();
      return;
    case IsrOutcome::unknown:
      pending_->uncertain_until = now + kUncertainFor;
      return;
  }
}

}  // namespace millrace::replication
