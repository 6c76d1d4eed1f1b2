#include "broker/app/metadata_log.h"

#include "broker/app/metadata_snapshot.h"
#include "broker/base/logger.h"
#include "broker/protocol/record_batch.h"

namespace millrace::app {
namespace {

const Logger kLog("metadata");

// A command's records and what frames them; one fits a segment.
constexpr int32_t kBatchBytesMax = 16 << 20;
constexpr size_t kReplayBytes = 1 << 20;  // of one read
constexpr int kPassedOverMax = 16;        // times that a snapshot waits for commands
constexpr LeaderEpoch kEpoch{0};          // one voter: no elections

storage::LogConfig log_config() {
  return {.segment_bytes_max = kBatchBytesMax,
          .segment_ms_max = INT64_MAX,
          .retention_ms = -1,
          .batch_bytes_max = kBatchBytesMax,
          .delete_old = false};
}

// Bytes of a batch in memory, wherever the log has them.
Result<Bytes> bytes_of(const storage::ReadInfo& read) {
  if (const Bytes* bytes = std::get_if<Bytes>(&read.data)) return *bytes;
  const SourceRange& range = std::get<SourceRange>(read.data);
  Bytes bytes = Bytes::uninitialized(range.size);
  TRY_ASSIGN(const size_t got, range.source->read_at(range.position, {bytes.mutable_data(), bytes.size()}));
  if (got != range.size) return Error{Errc::io, "the metadata log ended while it was read"};
  return bytes;
}

}  // namespace

Result<std::unique_ptr<MetadataLog>> MetadataLog::open(MetadataLogOptions options) {
  std::unique_ptr<MetadataLog> log(new MetadataLog(std::move(options)));
  {
    MutexLock lock(log->io_mutex_);
    TRY_ASSIGN(log->recovered_, log->recover());
  }
  log->thread_ = std::thread([log = log.get()] { log->run(); });
  return log;
}

MetadataLog::~MetadataLog() {
  if (const Status closed = close(); !closed)
    kLog.error("metadata log not closed", {{"error", closed.error().to_string()}});
}

metadata::ImageBuilder MetadataLog::take_recovered() {
  ENSURE(recovered_.has_value());
  metadata::ImageBuilder taken = std::move(*recovered_);
  recovered_.reset();
  return taken;
}

std::string MetadataLog::snapshot_path() const { return io::join_path(options_.directory, "snapshot"); }

Result<metadata::ImageBuilder> MetadataLog::recover() {
  metadata::ImageBuilder builder;
  TRY_ASSIGN(const bool has_snapshot, options_.fs->exists(snapshot_path()));
  if (has_snapshot) {
    TRY_ASSIGN(builder, load_snapshot(*options_.fs, snapshot_path()));
  }
  const Offset snapshot_at = builder.current().applied;
  TRY_ASSIGN(log_, storage::Log::open(*options_.fs, {.directory = options_.directory,
                                                     .topic = std::string(metadata::kMetadataTopic),
                                                     .partition = PartitionIndex{0},
                                                     .topic_id = {},
                                                     .config = log_config(),
                                                     .clock = options_.clock,
                                                     .recovery_point = snapshot_at.next(),
                                                     .log_start = snapshot_at.next()}));
  // The snapshot holds everything that a shorter log has; the log goes on behind it.
  if (log_->log_end() < snapshot_at.next()) TRY(log_->start_over(snapshot_at.next()));
  TRY(replay(builder));
  MutexLock lock(mutex_);
  snapshot_at_ = snapshot_at;
  snapshot_wanted_.reset();
  return builder;
}

Status MetadataLog::replay(metadata::ImageBuilder& builder) {
  for (;;) {
    const Offset next = builder.current().applied.next();
    if (next >= log_->log_end()) return ok();
    TRY_ASSIGN(const storage::ReadInfo read,
               log_->read(next, {.below = log_->log_end(), .bytes_max = kReplayBytes, .at_least_one = true}));
    TRY_ASSIGN(const Bytes batches, bytes_of(read));
    TRY_ASSIGN(const std::vector<protocol::Record> records, protocol::read_batches(batches));
    for (const protocol::Record& record : records) {
      if (record.offset <= builder.current().applied) continue;  // the batch began in the snapshot
      if (record.offset != builder.current().applied.next() || !record.value) {
        return Error{Errc::corrupt, "metadata log: record " + std::to_string(record.offset.value())};
      }
      TRY(builder.apply_encoded(record.offset, record.value->view()));
    }
    if (builder.current().applied < next)
      return Error{Errc::corrupt, "metadata log: no record " + std::to_string(next.value())};
  }
}

void MetadataLog::append(std::vector<machine::Record> records, Committed committed) {
  std::optional<Error> failure;
  {
    MutexLock lock(mutex_);
    if (closing_ && !failure_) failure_ = Error{Errc::shutting_down, "metadata log"};
    failure = failure_;
    if (!failure) {
      queue_.push_back({std::move(records), std::move(committed), generation_});
      changed_.notify_one();
      return;
    }
  }
  committed(std::move(*failure));
}

void MetadataLog::offer_snapshot(metadata::ImagePointer image) {
  MutexLock lock(mutex_);
  if (image->applied < snapshot_due()) return;
  offered_ = std::move(image);
  changed_.notify_one();
}

// The next snapshot holds no less.
Offset MetadataLog::snapshot_due() const {
  return snapshot_wanted_ ? *snapshot_wanted_ : snapshot_at_.next(options_.snapshot_records);
}

void MetadataLog::run() {
  for (int passed_over = 0;;) {
    std::deque<Pending> batches;
    metadata::ImagePointer image;
    {
      MutexLock lock(mutex_);
      while (queue_.empty() && offered_ == nullptr && !closing_) changed_.wait(mutex_);
      if (queue_.empty() && offered_ == nullptr) return;
      batches.swap(queue_);
      // Commands first, but not for ever.
      if (offered_ != nullptr && (batches.empty() || ++passed_over > kPassedOverMax)) {
        image = std::exchange(offered_, nullptr);
        passed_over = 0;
      }
    }
    if (!batches.empty()) write(std::move(batches));
    if (image == nullptr) continue;
    if (const Status written = take_snapshot(*image); !written) {
      // The log is whole without it; the next image is tried again.
      kLog.warn("metadata snapshot not written", {{"error", written.error().to_string()}});
    }
  }
}

Result<Offset> MetadataLog::append_one(const Pending& batch) {
  protocol::RecordBatchBuilder builder;
  const Timestamp now = options_.clock->wall_ms();
  for (const machine::Record& record : batch.records) {
    builder.add(now, record.key ? std::optional(record.key->view()) : std::nullopt,
                record.value ? std::optional(record.value->view()) : std::nullopt);
  }
  TRY_ASSIGN(const storage::AppendInfo info, log_->append_as_leader(builder.build(), kEpoch));
  return info.last_offset;
}

Status MetadataLog::flush() {
  const storage::FlushPlan plan = log_->begin_flush();
  Status flushed = storage::run_flush(*options_.fs, plan);
  log_->end_flush(plan, flushed);
  return flushed;
}

void MetadataLog::write(std::deque<Pending> batches) {
  std::vector<Result<Offset>> outcomes;
  {
    MutexLock lock(io_mutex_);
    std::optional<Error> failure;
    uint64_t generation = 0;
    {
      MutexLock state(mutex_);
      failure = failure_;
      generation = generation_;
    }
    size_t appended = 0;
    bool is_fatal = false;
    for (const Pending& batch : batches) {
      if (failure) {
        outcomes.emplace_back(Error(*failure));
      } else if (batch.generation != generation) {
        outcomes.emplace_back(Error{Errc::conflict, "the metadata log was read again"});
      } else {
        outcomes.push_back(append_one(batch));
        if (outcomes.back()) {
          ++appended;
        } else {
          failure = outcomes.back().error();
          is_fatal = failure->code != Errc::disk_full;
        }
      }
    }
    // Also what came before a failed append: it stands in the log and is committed once flushed.
    if (appended > 0) {
      if (const Status flushed = flush(); !flushed) {
        failure = flushed.error();
        is_fatal = true;
        for (Result<Offset>& outcome : outcomes) {
          if (outcome) outcome = Result<Offset>(Error(*failure));
        }
      }
    }
    MutexLock state(mutex_);
    if (failure) failure_ = failure;
    if (is_fatal) is_fatal_ = true;
  }
  for (size_t i = 0; i < batches.size(); ++i) batches[i].committed(std::move(outcomes[i]));
}

// A segment begins where the snapshot ends, so that a start reads the snapshot and what follows it and no more: first
// the segment, then the image of its boundary, which is on its way when this one is older.
Status MetadataLog::take_snapshot(const metadata::ClusterImage& image) {
  TRY_ASSIGN(const bool is_covered, begin_segment(image.applied));
  if (!is_covered) return ok();
  TRY(save_snapshot(*options_.fs, snapshot_path(), image));
  MutexLock lock(io_mutex_);
  {
    MutexLock state(mutex_);
    snapshot_at_ = image.applied;
    snapshot_wanted_.reset();
    if (offered_ != nullptr && offered_->applied < snapshot_due()) offered_ = nullptr;  // came meanwhile
    if (failure_) return ok();
  }
  TRY_ASSIGN(const storage::Log::RetentionWork work, log_->advance_log_start(image.applied.next()));
  for (const std::string& path : work.delete_paths) TRY(options_.fs->remove(path));
  return ok();
}

// False when the segment that was begun has records before it that are not covered.
Result<bool> MetadataLog::begin_segment(Offset covered) {
  MutexLock lock(io_mutex_);
  {
    MutexLock state(mutex_);
    if (failure_) return false;
    if (snapshot_wanted_) return covered >= *snapshot_wanted_;
  }
  const Offset last = log_->log_end().previous();
  TRY(log_->begin_segment());
  MutexLock state(mutex_);
  snapshot_wanted_ = last;
  return covered >= last;
}

std::optional<Error> MetadataLog::fatal() const {
  MutexLock lock(mutex_);
  return is_fatal_ ? failure_ : std::nullopt;
}

Result<metadata::ImageBuilder> MetadataLog::reopen() {
  MutexLock lock(io_mutex_);
  log_.reset();
  Result<metadata::ImageBuilder> recovered = recover();
  // What was not acknowledged and yet is there counts from now on.
  const Status flushed = recovered ? flush() : ok();
  MutexLock state(mutex_);
  if (!recovered || !flushed) {
    failure_ = recovered ? flushed.error() : recovered.error();
    is_fatal_ = !flushed || failure_->code != Errc::disk_full;
    return Error(*failure_);
  }
  failure_.reset();
  ++generation_;
  return recovered;
}

Status MetadataLog::close() {
  {
    MutexLock lock(mutex_);
    closing_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
  MutexLock lock(io_mutex_);
  if (log_ == nullptr) return ok();
  const std::unique_ptr<storage::Log> log = std::move(log_);
  {
    MutexLock state(mutex_);
    if (failure_) return ok();  // nothing to save: the next start recovers
  }
  return log->close_cleanly();
}

}  // namespace millrace::app
