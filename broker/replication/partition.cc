#include "broker/replication/partition.h"

#include <algorithm>
#include <utility>

#include "broker/base/logger.h"

namespace millrace::replication {

namespace {

const Logger logger("replication");

// For acks=all. A default that is meant for topics of several replicas must not make one of a single replica read-only.
size_t in_sync_needed(const PartitionConfig& config, const metadata::PartitionImage& state) {
  const auto wanted = static_cast<size_t>(std::max(config.min_insync_replicas, 1));
  return std::min(wanted, std::max<size_t>(state.replicas.size(), 1));
}

Error cut_off() {
  return {Errc::not_leader, "no controller has answered for a session, and a replica that is in sync does not follow"};
}

}  // namespace

Partition::Partition(PartitionOptions options, std::unique_ptr<storage::Log> opened)
    : id_(std::move(options.id)),
      topic_id_(options.topic_id),
      self_(options.self),
      is_internal_(metadata::is_internal_topic(id_.topic)),
      lost_epoch_(options.lost_epoch),
      listener_(options.listener),
      isr_watch_(options.isr_watch),
      tail_budget_(options.tail_budget),
      flusher_(*options.flusher),
      clock_(*options.clock),
      log_(std::move(opened)),
      config_(options.config) {
  throttle_.set(options.config, id_.partition, self_);
  if (log_ == nullptr) return;  // it is closed already
  // What was known may lie beyond what survived.
  high_watermark_ = std::min(std::max(options.high_watermark, log_->log_start()), log_->log_end());
}

Partition::~Partition() = default;

bool Partition::leads() const {
  return state_.leader == self_ && (state_.leader_epoch > lost_epoch_ || state_.replicas.size() <= 1);
}

bool Partition::flushes_every_record() const { return config_.log.flush_messages == 1; }

Status Partition::check_appendable(Acks acks) const {
  if (log_ == nullptr) return Errc::unknown_topic_or_partition;
  if (!leads()) return Errc::not_leader;
  if (is_cut_off_) {
    ++cut_off_writes_;
    return cut_off();
  }
  if (acks == Acks::all && state_.isr.size() < in_sync_needed(config_, state_)) {
    return Error{Errc::not_enough_replicas,
                 "in sync: " + std::to_string(state_.isr.size()) +
                     ", min.insync.replicas: " + std::to_string(config_.min_insync_replicas)};
  }
  return ok();
}

Error Partition::refused(const protocol::BatchHeader& batch, Error why) {
  const bool passes = why.code != Errc::out_of_order_sequence && why.code != Errc::invalid_producer_epoch;
  if (passes && log_ != nullptr) {
    refused_.add(batch, why.code, log_->next_sequence(batch.producer_id, batch.producer_epoch), clock_.now());
  }
  return why;
}

void Partition::note_refused(const protocol::BatchHeader& batch, Errc reason) {
  MutexLock lock(mutex_);
  static_cast<void>(refused(batch, Error{reason, {}}));
}

Result<Appended> Partition::append(Bytes batch, Acks acks) {
  const size_t size = batch.size();
  const protocol::BatchHeader header =
      size < protocol::kBatchHeaderBytes ? protocol::BatchHeader{} : protocol::BatchHeader::decode(batch.data());
  storage::LogConfig config;
  {
    MutexLock lock(mutex_);
    if (Status appendable = check_appendable(acks); !appendable) return refused(header, std::move(appendable).error());
    config = config_.log;
  }
  TRY_ASSIGN(storage::CheckedBatch checked, storage::check_client_batch(std::move(batch), config, clock_.wall_ms()));
  Appended appended;
  Aftermath after;
  {
    MutexLock lock(mutex_);
    if (Status appendable = check_appendable(acks); !appendable) return refused(header, std::move(appendable).error());
    if (!refused_.empty()) {
      const auto next = log_->next_sequence(header.producer_id, header.producer_epoch);
      const std::optional<Errc> reason = refused_.reason_before(header, next, clock_.now());
      if (reason) return Error{*reason, "a batch that the producer sent before this one was refused"};
    }
    // Followers get the producer's own bytes; nobody else sees them before the log has written its fields.
    Bytes for_followers = leader_ != nullptr ? checked.bytes : Bytes();
    Result<storage::AppendInfo> info = log_->append_as_leader(std::move(checked), state_.leader_epoch);
    if (!info) return refused(header, std::move(info).error());
    appended.info = *info;
    appended.log_start = log_->log_start();
    appended.epoch = state_.leader_epoch;
    appended.acks = acks;
    if (!appended.info.duplicate) {
      marks_.appended(log_->log_end(), size);
      if (leader_ != nullptr) {
        leader_->appended({appended.info.first_offset, log_->log_end(), std::move(for_followers)}, clock_.now());
        push_feeds(after);
        check_in_sync_set(after);
      }
      advance_high_watermark(after);
      changed();
    }
    appended.acknowledged = (!appended.info.flush_before_ack || log_->flushed_offset() > appended.info.last_offset) &&
                            (acks != Acks::all || high_watermark_ > appended.info.last_offset);
    plan_flush(after, appended.info.flush_before_ack && !appended.acknowledged);
  }
  finish(after);
  if (!appended.info.duplicate) notify();
  return appended;
}

Result<bool> Partition::is_acknowledged(const Appended& appended) const {
  if (appended.acknowledged) return true;
  MutexLock lock(mutex_);
  if (log_ == nullptr) return Errc::unknown_topic_or_partition;
  // Another leader may have been elected meanwhile without this record, so its fate is unknown to us.
  if (!leads() || state_.leader_epoch != appended.epoch) return Errc::not_leader;
  if (log_->is_offline()) return Errc::storage_offline;
  if (is_cut_off_ && appended.acks == Acks::all && high_watermark_ <= appended.info.last_offset) {
    ++cut_off_writes_;
    return cut_off();
  }
  if (appended.info.flush_before_ack && log_->flushed_offset() <= appended.info.last_offset) return false;
  if (appended.acks != Acks::all || high_watermark_ > appended.info.last_offset) return true;
  if (state_.isr.size() >= in_sync_needed(config_, state_)) return false;
  return Error{Errc::not_enough_replicas_after_append, "in sync: " + std::to_string(state_.isr.size())};
}

void Partition::set_state(const metadata::PartitionImage& state) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    if (log_ == nullptr) return;
    if (state == state_) return;
    const bool led = leads();
    const LeaderEpoch epoch = std::exchange(state_, state).leader_epoch;
    if (!leads()) {
      if (led) end_leading(after);
    } else if (!led || state.leader_epoch > epoch) {
      if (led) end_leading(after);
      begin_leading(after);
    } else {
      if (leader_ != nullptr) push_feeds(after);  // one that has ended has to be noticed
      if (leader_ == nullptr && (state.replicas.size() > 1 || state.isr.size() > 1)) {
        leader_ = std::make_unique<LeaderState>(state_, self_, tail_budget_, log_->log_end(), clock_.now());
      } else if (leader_ != nullptr) {
        leader_->set_image(state_, log_->log_end(), clock_.now());
      }
      advance_high_watermark(after);
      check_in_sync_set(after);
    }
    state_changed();
  }
  finish(after);
  notify();
}

void Partition::begin_leading(Aftermath& after) {
  is_cut_off_ = false;  // elected a moment ago
  // A restart without an election goes on in its epoch.
  const Status recorded = state_.leader_epoch > log_->latest_epoch()
                              ? log_->assign_epoch_start(state_.leader_epoch, log_->log_end())
                              : ok();
  if (!recorded) {
    logger.error("leader epoch not recorded",
                 {{"topic", id_.topic}, {"partition", id_.partition}, {"error", recorded.error().to_string()}});
  }
  if (state_.replicas.size() > 1 || state_.isr.size() > 1) {
    leader_ = std::make_unique<LeaderState>(state_, self_, tail_budget_, log_->log_end(), clock_.now());
  }
  high_watermark_ = std::max(high_watermark_, log_->log_start());
  advance_high_watermark(after);
  check_in_sync_set(after);
  plan_flush(after, high_watermark_ < log_->log_end() && (leader_ == nullptr || flushes_every_record()));
}

void Partition::end_leading(Aftermath& after) {
  if (leader_ == nullptr) return;
  for (LeaderState::Follower& follower : leader_->followers()) {
    if (follower.feed != nullptr) follower.feed->ended = true;
  }
  push_feeds(after);
  leader_.reset();
}

void Partition::set_config(const PartitionConfig& config) {
  Aftermath after;
  throttle_.set(config, id_.partition, self_);
  {
    MutexLock lock(mutex_);
    if (log_ == nullptr) return;
    config_ = config;
    log_->set_config(config.log);
    advance_high_watermark(after);
    // A limit set just now also covers what was appended before it.
    plan_flush(after, config.log.flush_messages != INT64_MAX && log_->flushed_offset() < log_->log_end());
    changed();
  }
  finish(after);
  notify();
}

storage::FlushPlan Partition::begin_flush() {
  MutexLock lock(mutex_);
  flush_asked_ = false;
  return log_ == nullptr ? storage::FlushPlan{} : log_->begin_flush();
}

void Partition::end_flush(const storage::FlushPlan& plan, const Status& outcome) {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    if (log_ == nullptr) return;
    log_->end_flush(plan, outcome);
    const bool is_put_off = plan.is_put_off(outcome);
    if (is_put_off && !flush_put_off_) {
      logger.warn("a flush is put off until the disk has room again",
                  {{"topic", id_.topic}, {"partition", id_.partition}, {"error", outcome.error().to_string()}});
    }
    flush_put_off_ = is_put_off;
    if (!outcome && !is_put_off) {
      state_changed();
      logger.error("flush failed; the partition is offline: check the disk, then restart the broker",
                   {{"topic", id_.topic}, {"partition", id_.partition}, {"error", outcome.error().to_string()}});
    }
    advance_high_watermark(after);
    changed();
    if (flushes_every_record() || !outcome) push_slot(after);
    plan_flush(after, false);
  }
  finish(after);
  notify();
}

// flush.ms: one request at a time is enough, for the flush covers what is appended until it begins.
void Partition::plan_flush(Aftermath& after, bool now) {
  after.flush_now = now;
  if (now || flush_asked_) return;
  after.flush_by = log_->flush_due();
  flush_asked_ = after.flush_by.has_value();
}

void Partition::finish(const Aftermath& after) {
  for (const auto& queue : after.feeds) queue->wake();
  if (after.slot != nullptr) after.slot->wake();
  if (after.flush_now) flusher_.flush_soon(shared_from_this());
  if (after.flush_by) flusher_.flush_by(shared_from_this(), *after.flush_by);
  if (after.watch) isr_watch_->watch(shared_from_this());
  if (after.look_soon) isr_watch_->look_soon(shared_from_this());
}

Result<storage::Log::RetentionWork> Partition::enforce_retention() {
  storage::Log::RetentionWork work;
  {
    MutexLock lock(mutex_);
    if (log_ == nullptr) return Errc::unknown_topic_or_partition;
    TRY_ASSIGN(work, log_->enforce_retention(high_watermark_));
    if (work.segments == 0) return work;
    high_watermark_ = std::max(high_watermark_, log_->log_start());
    state_changed();
  }
  notify();
  return work;
}

PartitionSummary Partition::summary() const {
  MutexLock lock(mutex_);
  PartitionSummary summary;
  if (log_ == nullptr) return summary;
  summary.bytes = log_->size_bytes();
  summary.is_offline = log_->is_offline();
  summary.leads = leads();
  if (!summary.leads) return summary;
  summary.is_under_replicated = state_.isr.size() < state_.replicas.size();
  summary.is_under_min_isr = state_.isr.size() < in_sync_needed(config_, state_);
  summary.uncommitted_bytes = marks_.pending_bytes();
  if (leader_ == nullptr) return summary;
  for (const LeaderState::Follower& follower : leader_->followers()) {
    const Offset has = std::max(follower.at.log_end, log_->log_start());
    summary.lag_records_max = std::max(summary.lag_records_max, log_->log_end().value() - has.value());
  }
  return summary;
}

int32_t Partition::batch_bytes_max() const {
  MutexLock lock(mutex_);
  return config_.log.batch_bytes_max;
}

int64_t Partition::file_delete_delay_ms() const {
  MutexLock lock(mutex_);
  return config_.log.file_delete_delay_ms;
}

Status Partition::close_cleanly() {
  Status status = ok();
  Aftermath after;
  {
    MutexLock lock(mutex_);
    if (log_ == nullptr) return ok();
    end_leading(after);
    end_following(after);
    // After a failed flush the disk's content is unknown: the next start has to verify it.
    status = log_->is_offline() ? Status(Errc::storage_offline) : log_->close_cleanly();
    log_.reset();
    state_changed();
  }
  finish(after);
  notify();
  return status;
}

void Partition::abandon() {
  Aftermath after;
  {
    MutexLock lock(mutex_);
    end_leading(after);
    end_following(after);
    log_.reset();
    state_changed();
  }
  finish(after);
  notify();
}

void Partition::advance_high_watermark(Aftermath& after) {
  if (!leads()) return;
  const ReplicaProgress own{log_->log_end(), log_->flushed_offset()};
  if (leader_ == nullptr) return raise_high_watermark(counted(own, flushes_every_record()));
  const Offset before = high_watermark_;
  raise_high_watermark(leader_->high_watermark(own, flushes_every_record(), config_.min_insync_replicas));
  if (high_watermark_ != before) push_feeds(after);
}

void Partition::raise_high_watermark(Offset to) {
  if (to <= high_watermark_) return;
  high_watermark_ = to;
  readable_bytes_.store(marks_.readable_bytes(high_watermark_), std::memory_order_release);
}

void Partition::changed() { changes_.fetch_add(1, std::memory_order_release); }

void Partition::state_changed() {
  states_.fetch_add(1, std::memory_order_release);
  changed();
}

PartitionVersion Partition::version() const {
  // The one that is bumped last is read first: what it covers is then seen in the others.
  const uint64_t changes = changes_.load(std::memory_order_acquire);
  return {.changes = changes,
          .states = states_.load(std::memory_order_acquire),
          .readable_bytes = readable_bytes_.load(std::memory_order_acquire)};
}

void Partition::notify() const {
  if (listener_ != nullptr) listener_->on_progress(*this);
}

}  // namespace millrace::replication
