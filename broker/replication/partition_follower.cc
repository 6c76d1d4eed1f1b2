// Partition: what it is asked as follower by the link to its leader.

#include <algorithm>
#include <utility>

#include "broker/base/logger.h"
#include "broker/replication/partition.h"

namespace millrace::replication {

namespace {
const Logger logger("replication");
}  // namespace

Status Partition::check_following(LeaderEpoch epoch) const {
  if (log_ == nullptr) return Errc::unknown_topic_or_partition;
  if (state_.leader == self_ || state_.leader_epoch != epoch) return Errc::fenced_leader_epoch;
  if (log_->is_offline()) return Errc::storage_offline;
  return ok();
}

Status Partition::follow(const std::shared_ptr<FollowerSlot>& slot) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    TRY(check_following(slot->epoch));
    slot_ = slot;
    log_->forget_empty_epochs();
    // What a crash left unflushed may be all there is: no record that comes would ask for it.
    plan_flush(after, flushes_every_record() && log_->flushed_offset() < log_->log_end());
  }
  finish(after);
  return ok();
}

void Partition::unfollow(const FollowerSlot& slot) {
  MutexLock lock(mutex_);
  if (slot_.get() == &slot) slot_ = nullptr;
}

void Partition::push_slot(Aftermath& after) {
  if (slot_ != nullptr && slot_->queue->push(slot_)) after.slot = slot_->queue;
}

// The link learns of it by the slot in its queue; the slot, which has the partition, is not kept here.
void Partition::end_following(Aftermath& after) {
  push_slot(after);
  slot_ = nullptr;
}

Result<Subscribe::Entry> Partition::position(LeaderEpoch epoch) const {
  MutexLock lock(mutex_);
  TRY(check_following(epoch));
  const Offset end = log_->log_end();
  return Subscribe::Entry{.topic_id = topic_id_,
                          .partition = id_.partition,
                          .leader_epoch = epoch,
                          .log_start = log_->log_start(),
                          .log_end = end,
                          .flushed = std::min(log_->flushed_offset(), end),
                          .last_epoch = log_->log_start() < end ? log_->epoch_at(end.previous()) : kNoLeaderEpoch};
}

Ack::Entry Partition::own_progress() const {
  return {.number = {},
          .log_start = log_->log_start(),
          .log_end = log_->log_end(),
          .flushed = std::min(log_->flushed_offset(), log_->log_end())};
}

Result<Ack::Entry> Partition::progress(LeaderEpoch epoch) const {
  MutexLock lock(mutex_);
  TRY(check_following(epoch));
  return own_progress();
}

Result<Ack::Entry> Partition::append_from_leader(LeaderEpoch epoch, const Data::Entry& data,
                                                 std::vector<std::string>& removed) {
  Aftermath after;
  Result<Ack::Entry> outcome = [&]() -> Result<Ack::Entry> {
    MutexLock lock(mutex_);
    TRY(check_following(epoch));
    if (data.leader_epoch != epoch) return Errc::fenced_leader_epoch;
    bool flush = false;
    for (const Bytes& piece : data.batches) {
      TRY_ASSIGN(const storage::AppendInfo info, log_->append_as_follower(piece, epoch));
      marks_.appended(log_->log_end(), piece.size());
      flush = flush || info.flush_before_ack;
    }
    TRY(learn_locked(data.high_watermark, data.log_start, removed));
    changed();
    plan_flush(after, flush);
    return own_progress();
  }();
  finish(after);
  notify();
  return outcome;
}

Result<Ack::Entry> Partition::learn(const Progress::Entry& progress, std::vector<std::string>& removed) {
  Result<Ack::Entry> outcome = [&]() -> Result<Ack::Entry> {
    MutexLock lock(mutex_);
    TRY(check_following(progress.leader_epoch));
    TRY(learn_locked(progress.high_watermark, progress.log_start, removed));
    changed();
    return own_progress();
  }();
  notify();
  return outcome;
}

// The leader may be ahead of what is here; of that nothing may be shown.
Status Partition::learn_locked(Offset high_watermark, Offset log_start, std::vector<std::string>& removed) {
  raise_high_watermark(std::min(high_watermark, log_->log_end()));
  const Offset to = std::min(log_start, high_watermark_);
  if (to <= log_->log_start()) return ok();
  TRY_ASSIGN(storage::Log::RetentionWork work, log_->advance_log_start(to));
  for (std::string& path : work.delete_paths) removed.push_back(std::move(path));
  state_changed();
  return ok();
}

Status Partition::cut_log(Offset to, bool& needs_checkpoints) {
  const Offset flushed = log_->flushed_offset(), cleaned = log_->cleaned_to();
  TRY(log_->truncate_to(to));
  needs_checkpoints = log_->flushed_offset() < flushed || log_->cleaned_to() < cleaned;
  marks_.clear();
  state_changed();
  return ok();
}

Result<bool> Partition::follow_answer(LeaderEpoch epoch, const Answer::Entry& answer) {
  Result<bool> outcome = [&]() -> Result<bool> {
    MutexLock lock(mutex_);
    TRY(check_following(epoch));
    Offset to = answer.at;
    if (answer.action == Answer::Action::truncate && answer.epoch != kNoLeaderEpoch) {
      // The leader's epoch may be one that we have no end of: then where our largest epoch below it ends (KIP-279).
      const storage::EpochEndOffset own = log_->end_offset_for_epoch(answer.epoch);
      if (own.epoch != kNoLeaderEpoch) to = std::min(to, own.end_offset);
    }
    const bool starts_over = answer.action == Answer::Action::start_over || to < log_->log_start();
    const Offset keeps = starts_over ? answer.leader_log_start : to;
    if (keeps < high_watermark_) {
      return Error{Errc::policy_violation, "the leader has less than is committed: records from offset " +
                                               std::to_string(keeps.value()) + " to " +
                                               std::to_string(high_watermark_.value()) + " would be lost"};
    }
    logger.info("log follows a new leader's", {{"topic", id_.topic},
                                               {"partition", id_.partition},
                                               {"leader_epoch", epoch},
                                               {"log_end", log_->log_end()},
                                               {"to", keeps},
                                               {"starts_over", starts_over}});
    bool needs_checkpoints = true;
    if (!starts_over) {
      TRY(cut_log(to, needs_checkpoints));
      return needs_checkpoints;
    }
    TRY(log_->start_over(keeps));
    marks_.clear();
    raise_high_watermark(keeps);
    state_changed();
    return true;
  }();
  notify();
  return outcome;
}

void Partition::note_damage(Offset from, Aftermath& after) {
  if (state_.leader == self_) return;
  damaged_at_ = std::min(from, damaged_at_.value_or(from));
  push_slot(after);
}

std::optional<Offset> Partition::damage() const {
  MutexLock lock(mutex_);
  return damaged_at_;
}

Result<bool> Partition::drop_damage(LeaderEpoch epoch) {
  Result<bool> outcome = [&]() -> Result<bool> {
    MutexLock lock(mutex_);
    TRY(check_following(epoch));
    if (!damaged_at_) return false;
    if (state_.leader == kNoBroker || std::find(state_.isr.begin(), state_.isr.end(), self_) != state_.isr.end()) {
      return Errc::conflict;
    }
    // What lies around the damage in its segment cannot be told apart for sure: the segment goes from its beginning.
    const Offset to = log_->segment_start(*damaged_at_);
    logger.warn("damaged records are dropped and fetched from the leader again",
                {{"topic", id_.topic}, {"partition", id_.partition}, {"damaged_at", *damaged_at_}, {"from", to}});
    bool needs_checkpoints = true;
    if (to < log_->log_start()) {
      TRY(log_->start_over(log_->log_start()));
      marks_.clear();
      state_changed();
    } else {
      TRY(cut_log(to, needs_checkpoints));
    }
    damaged_at_.reset();
    high_watermark_ = std::min(high_watermark_, log_->log_end());
    return needs_checkpoints;
  }();
  notify();
  return outcome;
}

}  // namespace millrace::replication
