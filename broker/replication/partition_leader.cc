// Partition: what it is asked as leader by the links to its followers and by the keeper of in-sync sets.

#include <algorithm>
#include <utility>

#include "broker/base/logger.h"
#include "broker/replication/partition.h"

namespace millrace::replication {

namespace {

const Logger logger("replication");

FeedStart refuse(Refusal::Reason reason) { return {.answer = {}, .refusal = reason}; }

// Whether a follower's log is a beginning of ours (KIP-101, KIP-279), and if not, what makes it one.
std::optional<Answer::Entry> compare(const storage::Log& log, const Subscribe::Entry& entry) {
  Answer::Entry answer{.number = entry.number, .at = log.log_start(), .leader_log_start = log.log_start()};
  const bool is_empty = entry.log_start == entry.log_end || entry.last_epoch == kNoLeaderEpoch;
  if (entry.log_end < log.log_start() || (is_empty && entry.log_end > log.log_end())) {
    answer.action = Answer::Action::start_over;
    return answer;
  }
  if (is_empty) return std::nullopt;
  const storage::EpochEndOffset end = log.end_offset_for_epoch(entry.last_epoch);
  if (end.epoch == entry.last_epoch && entry.log_end <= end.end_offset) return std::nullopt;
  answer.action = Answer::Action::truncate;
  // An epoch behind all of ours: where ours end is as far as we can agree.
  answer.epoch = end.epoch == kNoLeaderEpoch ? log.epoch_at(log.log_end().previous()) : end.epoch;
  answer.at = end.epoch == kNoLeaderEpoch ? log.log_end() : end.end_offset;
  return answer;
}

}  // namespace

FeedStart Partition::begin_feed(const std::shared_ptr<Feed>& feed, const Subscribe::Entry& entry,
                                int64_t broker_epoch) {
  Aftermath after;
  FeedStart start;
  {
    MutexLock lock(mutex_);
    if (log_ == nullptr) return refuse(Refusal::Reason::unknown_partition);
    if (entry.leader_epoch < state_.leader_epoch) return refuse(Refusal::Reason::fenced_epoch);
    if (entry.leader_epoch > state_.leader_epoch) return refuse(Refusal::Reason::unknown_epoch);
    if (!leads()) return refuse(Refusal::Reason::not_leader);
    if (log_->is_offline()) return refuse(Refusal::Reason::storage_error);
    LeaderState::Follower* follower = leader_ == nullptr ? nullptr : leader_->find(feed->follower);
    if (follower == nullptr) return refuse(Refusal::Reason::not_a_replica);
    follower->broker_epoch = broker_epoch;
    if (follower->feed != nullptr) {
      follower->feed->ended = true;
      if (follower->feed->queue->push(follower->feed)) after.feeds.push_back(follower->feed->queue);
      leader_->end(*follower, log_->log_end(), clock_.now(), false);
    }
    start.answer = compare(*log_, entry);
    if (start.is_accepted()) {
      follower->feed = feed;
      feed->taken = entry.log_end;
      feed->epoch = state_.leader_epoch;
      leader_->begin(*follower, entry, log_->log_end(), high_watermark_, flushes_every_record(), clock_.now());
      if (feed->queue->push(feed)) after.feeds.push_back(feed->queue);
      const Offset before = high_watermark_;
      advance_high_watermark(after);
      if (high_watermark_ != before) changed();
    }
    check_in_sync_set(after);
  }
  finish(after);
  notify();
  return start;
}

Result<FeedData> Partition::take(Feed& feed, size_t bytes_max, bool at_least_one, bool memory_only) {
  MutexLock lock(mutex_);
  if (feed.ended || leader_ == nullptr || log_ == nullptr) return Errc::not_leader;
  feed.is_in_sync = std::find(state_.isr.begin(), state_.isr.end(), feed.follower) != state_.isr.end();
  FeedData data{.leader_epoch = feed.epoch,
                .high_watermark = high_watermark_,
                .log_start = log_->log_start(),
                .batches = {},
                .stored = {},
                .end = feed.taken};
  const Offset log_end = log_->log_end();
  if (feed.taken >= log_end) return data;
  const TailCache& tail = leader_->tail();
  if (const TailCache::Batch* batch = tail.find(feed.taken)) {
    size_t bytes = 0;
    for (; batch != tail.end(); ++batch) {
      if (bytes + batch->bytes.size() > bytes_max && (bytes != 0 || !at_least_one)) break;
      bytes += batch->bytes.size();
      data.batches.push_back(batch->bytes);
      data.end = batch->end;
    }
    feed.taken = data.end;
    data.has_more = feed.taken < log_end;
    leader_->release_tail();
    return data;
  }
  if (memory_only) return Errc::would_block;
  TRY_ASSIGN(data.stored,
             log_->read(feed.taken, {.below = log_end, .bytes_max = bytes_max, .at_least_one = at_least_one}));
  data.has_more = data.stored->more;
  // All there is: from here on the newest batches are kept for it.
  if (!data.has_more && data.stored->size_bytes() != 0) feed.taken = log_end;
  return data;
}

void Partition::feed_took(Feed& feed, Offset end) {
  MutexLock lock(mutex_);
  feed.taken = std::max(feed.taken, end);
}

Status Partition::acknowledge(Feed& feed, const Ack::Entry& ack) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    if (feed.ended || leader_ == nullptr || log_ == nullptr) return ok();
    LeaderState::Follower* follower = leader_->find(feed.follower);
    if (follower == nullptr || follower->feed.get() != &feed) return ok();
    if (ack.log_end > feed.taken || ack.flushed > ack.log_end || ack.log_end < follower->at.log_end) {
      return Error{Errc::malformed, "a follower acknowledges offset " + std::to_string(ack.log_end.value()) + " of " +
                                        id_.topic + "-" + std::to_string(id_.partition.value())};
    }
    leader_->acknowledged(*follower, ack, log_->log_end(), flushes_every_record(), clock_.now());
    const Offset before = high_watermark_;
    advance_high_watermark(after);
    if (high_watermark_ != before) changed();
    check_in_sync_set(after);
  }
  finish(after);
  notify();
  return ok();
}

void Partition::end_feed(Feed& feed, TimePoint heard, bool leave) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    feed.ended = true;
    if (leader_ == nullptr || log_ == nullptr) return;
    LeaderState::Follower* follower = leader_->find(feed.follower);
    if (follower == nullptr || follower->feed.get() != &feed) return;
    leader_->end(*follower, log_->log_end(), heard, leave);
    leader_->release_tail();
    check_in_sync_set(after);
  }
  finish(after);
}

void Partition::push_feeds(Aftermath& after) {
  for (LeaderState::Follower& follower : leader_->followers()) {
    if (follower.feed == nullptr || !follower.feed->queue->push(follower.feed)) continue;
    after.feeds.push_back(follower.feed->queue);
  }
}

// Asks for care at most once until keep_watching() says that none is needed.
void Partition::check_in_sync_set(Aftermath& after) {
  if (isr_watch_ == nullptr || leader_ == nullptr) return;
  if (!leader_->is_watched && leader_->has_member_behind()) leader_->is_watched = after.watch = true;
  if (leader_->is_asked || leader_->has_pending() || !needs_isr_change()) return;
  leader_->is_asked = after.look_soon = true;
}

bool Partition::needs_isr_change() const {
  return leader_->has_candidate(high_watermark_, flushes_every_record()) || leader_->has_lost_member();
}

IsrLook Partition::look_at_isr(int64_t own_broker_epoch, const LagLimits& limits, const IsEligible& is_eligible) {
  MutexLock lock(mutex_);
  if (leader_ == nullptr || log_ == nullptr) return {};
  std::optional<IsrChange> change = leader_->next_change({.topic_id = topic_id_,
                                                          .partition = id_.partition,
                                                          .own_broker_epoch = own_broker_epoch,
                                                          .high_watermark = high_watermark_,
                                                          .flush_every_record = flushes_every_record(),
                                                          .now = clock_.now(),
                                                          .limits = limits},
                                                         is_eligible);
  leader_->is_asked = !change && !leader_->has_pending() && needs_isr_change();
  if (change) {
    logger.info("in-sync set is to change", {{"topic", id_.topic},
                                             {"partition", id_.partition},
                                             {"from", state_.isr.size()},
                                             {"to", change->isr.size()},
                                             {"replicas", state_.replicas.size()}});
  }
  IsrLook look{.change = std::move(change), .look_again = leader_->is_asked};
  if (look.change) {
    size_t kept = 0;
    for (const IsrChange::Member& member : look.change->isr) {
      kept += std::find(state_.isr.begin(), state_.isr.end(), member.broker) != state_.isr.end();
    }
    look.shrinks = kept < state_.isr.size();
    look.expands = kept < look.change->isr.size();
  }
  return look;
}

void Partition::isr_answered(const IsrChange& change, IsrOutcome outcome) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    if (leader_ == nullptr || log_ == nullptr || state_.leader_epoch != change.leader_epoch) return;
    leader_->answered(change, outcome, clock_.now());
    const Offset before = high_watermark_;
    advance_high_watermark(after);
    if (high_watermark_ != before) changed();
  }
  finish(after);
  notify();
}

bool Partition::keep_watching() {
  MutexLock lock(mutex_);
  if (leader_ == nullptr) return false;
  leader_->is_watched = leader_->has_pending() || leader_->has_member_behind();
  return leader_->is_watched;
}

bool Partition::is_cut_off() const {
  MutexLock lock(mutex_);
  return is_cut_off_;
}

IsolationLook Partition::look_at_isolation(std::optional<TimePoint> heard_since) {
  IsolationLook look;
  bool is_new = false;
  {
    MutexLock lock(mutex_);
    if (log_ == nullptr) return look;
    look.leads = leads();
    look.refuses = heard_since && look.leads && leader_ != nullptr && leader_->has_unheard_member(*heard_since);
    look.refused = std::exchange(cut_off_writes_, 0);
    is_new = std::exchange(is_cut_off_, look.refuses) != look.refuses;
    if (is_new) state_changed();
  }
  if (is_new) notify();
  return look;
}

}  // namespace millrace::replication
