#include "broker/replication/partition.h"

#include <algorithm>
#include <utility>

#include "broker/base/logger.h"
#include "broker/replication/high_watermark.h"

namespace millrace::replication {

namespace {

const Logger logger("replication");

// While this many appends are not yet below the high watermark, newer ones share the last mark: a fetch that waits for
// bytes is woken for them together, a little late, instead of memory growing.
constexpr size_t kMarksMax = 1024;

}  // namespace

Partition::Partition(PartitionOptions options, std::unique_ptr<storage::Log> opened)
    : id_(std::move(options.id)),
      topic_id_(options.topic_id),
      self_(options.self),
      is_internal_(metadata::is_internal_topic(id_.topic)),
      listener_(options.listener),
      flusher_(*options.flusher),
      clock_(*options.clock),
      log_(std::move(opened)),
      config_(options.config) {}

Partition::~Partition() = default;

Status Partition::check_appendable(Acks acks) const {
  if (log_ == nullptr) return Errc::unknown_topic_or_partition;
  if (state_.leader != self_) return Errc::not_leader;
  if (acks == Acks::all && state_.isr.size() < static_cast<size_t>(std::max(config_.min_insync_replicas, 1))) {
    return Error{Errc::not_enough_replicas,
                 "in sync: " + std::to_string(state_.isr.size()) +
                     ", min.insync.replicas: " + std::to_string(config_.min_insync_replicas)};
  }
  return ok();
}

Result<Appended> Partition::append(Bytes batch, Acks acks) {
  const size_t size = batch.size();
  storage::LogConfig config;
  {
    MutexLock lock(mutex_);
    TRY(check_appendable(acks));
    config = config_.log;
  }
  TRY_ASSIGN(storage::CheckedBatch checked, storage::check_client_batch(std::move(batch), config, clock_.wall_ms()));
  Appended appended;
  FlushRequest flush;
  {
    MutexLock lock(mutex_);
    TRY(check_appendable(acks));
    TRY_ASSIGN(appended.info, log_->append_as_leader(std::move(checked), state_.leader_epoch));
    appended.log_start = log_->log_start();
    appended.epoch = state_.leader_epoch;
    appended.acks = acks;
    if (!appended.info.duplicate) {
      appended_bytes_ += size;
      if (marks_.size() >= kMarksMax) marks_.pop_back();
      marks_.push_back({log_->log_end(), appended_bytes_});
      advance_high_watermark();
      changed();
    }
    appended.acknowledged = (!appended.info.flush_before_ack || log_->flushed_offset() > appended.info.last_offset) &&
                            (acks != Acks::all || high_watermark_ > appended.info.last_offset);
    flush = flush_request(appended.info.flush_before_ack && !appended.acknowledged);
  }
  ask_flusher(flush);
  if (!appended.info.duplicate) notify();
  return appended;
}

Result<bool> Partition::is_acknowledged(const Appended& appended) const {
  if (appended.acknowledged) return true;
  MutexLock lock(mutex_);
  if (log_ == nullptr) return Errc::unknown_topic_or_partition;
  // Another leader may have been elected meanwhile without this record, so its fate is unknown to us.
  if (state_.leader != self_ || state_.leader_epoch != appended.epoch) return Errc::not_leader;
  if (log_->is_offline()) return Errc::storage_offline;
  if (appended.info.flush_before_ack && log_->flushed_offset() <= appended.info.last_offset) return false;
  return appended.acks != Acks::all || high_watermark_ > appended.info.last_offset;
}

void Partition::set_state(const metadata::PartitionImage& state) {
  FlushRequest flush;
  {
    MutexLock lock(mutex_);
    if (log_ == nullptr) return;
    if (state == state_) return;
    const bool starts_leading =
        state.leader == self_ && (state_.leader != self_ || state.leader_epoch > state_.leader_epoch);
    state_ = state;
    if (starts_leading) {
      // A restart without an election goes on in its epoch.
      const Status recorded = state.leader_epoch > log_->latest_epoch()
                                  ? log_->assign_epoch_start(state.leader_epoch, log_->log_end())
                                  : ok();
      if (!recorded) {
        logger.error("leader epoch not recorded",
                     {{"topic", id_.topic}, {"partition", id_.partition}, {"error", recorded.error().to_string()}});
      }
      high_watermark_ = std::max(high_watermark_, log_->log_start());
      advance_high_watermark();
      flush = flush_request(high_watermark_ < log_->log_end());
    }
    state_changed();
  }
  ask_flusher(flush);
  notify();
}

void Partition::set_config(const PartitionConfig& config) {
  FlushRequest flush;
  {
    MutexLock lock(mutex_);
    if (log_ == nullptr) return;
    config_ = config;
    log_->set_config(config.log);
    advance_high_watermark();
    // A limit set just now also covers what was appended before it.
    flush = flush_request(config.log.flush_messages != INT64_MAX && log_->flushed_offset() < log_->log_end());
    changed();
  }
  ask_flusher(flush);
  notify();
}

storage::FlushPlan Partition::begin_flush() {
  MutexLock lock(mutex_);
  flush_asked_ = false;
  return log_ == nullptr ? storage::FlushPlan{} : log_->begin_flush();
}

void Partition::end_flush(const storage::FlushPlan& plan, const Status& outcome) {
  FlushRequest flush;
  {
    MutexLock lock(mutex_);
    if (log_ == nullptr) return;
    log_->end_flush(plan, outcome);
    if (!outcome) {
      state_changed();
      logger.error("flush failed; the partition is offline: check the disk, then restart the broker",
                   {{"topic", id_.topic}, {"partition", id_.partition}, {"error", outcome.error().to_string()}});
    }
    advance_high_watermark();
    changed();
    flush = flush_request(false);
  }
  ask_flusher(flush);
  notify();
}

// flush.ms: one request at a time is enough, for the flush covers what is appended until it begins.
Partition::FlushRequest Partition::flush_request(bool now) {
  FlushRequest request{.now = now, .by = std::nullopt};
  if (now || flush_asked_) return request;
  request.by = log_->flush_due();
  flush_asked_ = request.by.has_value();
  return request;
}

void Partition::ask_flusher(const FlushRequest& request) {
  if (request.now) flusher_.flush_soon(shared_from_this());
  if (request.by) flusher_.flush_by(shared_from_this(), *request.by);
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
  {
    MutexLock lock(mutex_);
    if (log_ == nullptr) return ok();
    // After a failed flush the disk's content is unknown: the next start has to verify it.
    status = log_->is_offline() ? Status(Errc::storage_offline) : log_->close_cleanly();
    log_.reset();
    state_changed();
  }
  notify();
  return status;
}

void Partition::abandon() {
  {
    MutexLock lock(mutex_);
    log_.reset();
    state_changed();
  }
  notify();
}

void Partition::advance_high_watermark() {
  if (state_.leader != self_) return;
  const Offset reached = leader_high_watermark({.log_end = log_->log_end(),
                                                .flushed = log_->flushed_offset(),
                                                .flush_every_record = config_.log.flush_messages == 1});
  if (reached <= high_watermark_) return;
  high_watermark_ = reached;
  uint64_t readable = readable_bytes_.load(std::memory_order_relaxed);
  while (!marks_.empty() && marks_.front().end <= high_watermark_) {
    readable = marks_.front().bytes;
    marks_.pop_front();
  }
  readable_bytes_.store(readable, std::memory_order_release);
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
