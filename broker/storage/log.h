#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "broker/base/byte_source.h"
#include "broker/base/bytes.h"
#include "broker/base/clock.h"
#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/base/uuid.h"
#include "broker/io/file_system.h"
#include "broker/storage/cleaning_plan.h"
#include "broker/storage/flush_plan.h"
#include "broker/storage/log_config.h"

namespace millrace::storage {

class FileCache;
struct StorageMetrics;

// What an append did. For a duplicate of an idempotent producer's batch: the offsets and time of the first copy, and
// nothing was written.
struct AppendInfo {
  Offset first_offset;
  Offset last_offset;
  Timestamp log_append_time_ms = kNoTimestamp;  // set on topics with LogAppendTime, else -1
  bool duplicate = false;
  bool flush_before_ack =
      false;  // flush.messages was reached: the caller acknowledges only once flushed_offset() passed last_offset
};

struct ReadLimits {
  Offset below;                        // exclusive: the high watermark, the last stable offset or the log end
  size_t bytes_max = 0;                // of whole batches
  bool at_least_one = false;           // the first batch is returned even when larger than bytes_max (KIP-74)
  size_t copied_bytes_max = SIZE_MAX;  // more than that is answered with a file range, however small
};

struct ReadInfo {
  // Whole batches, the first one containing the offset asked for; empty when nothing lies below the limit. Either the
  // bytes (recently appended and still in memory) or a range of a segment file, which stays readable while held even if
  // retention deletes the segment.
  std::variant<Bytes, SourceRange> data;
  bool more = false;  // readable records follow: the limit on bytes or the end of a segment stopped it
  size_t size_bytes() const {
    return std::holds_alternative<Bytes>(data) ? std::get<Bytes>(data).size() : std::get<SourceRange>(data).size;
  }
};

struct TimestampOffset {
  Timestamp timestamp = kNoTimestamp;
  Offset offset = kNoOffset;
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
};

struct EpochEndOffset {
  LeaderEpoch epoch = kNoLeaderEpoch;
  Offset end_offset = kNoOffset;
};

// A batch that is good to append, whatever the log holds; see check_client_batch().
struct CheckedBatch {
  Bytes bytes;
  int32_t record_count = 0;
  Timestamp log_append_time_ms = kNoTimestamp;
};

struct LogOptions {
  std::string directory;  // <log dir>/<topic>-<partition>, created by open() when absent
  std::string topic;      // for messages
  PartitionIndex partition;
  Uuid topic_id;  // compared with partition.metadata; cluster_mismatch when it names another topic
  LogConfig config;
  Clock* clock = nullptr;
  bool clean_shutdown =
      false;                 // the node stopped cleanly: indexes and producer snapshots are trusted, nothing is scanned
  Offset recovery_point{0};  // records below it were flushed: scanning starts at the segment that holds it
  Offset log_start{0};       // from the log-start checkpoint
  Offset cleaned_to{0};      // from the cleaner's
  FileCache* files = nullptr;         // shared by the logs of a broker; null: a small one of its own
  StorageMetrics* metrics = nullptr;  // shared; null: not counted
  int64_t producer_id_expiration_ms = 86'400'000;
  size_t producers_max = 10'000;
  std::function<void()> on_offline;  // called once, within the call whose failure took the log offline; may be empty
};

// The part of an append that needs no log and so no mutex: size, CRC, structure, records (decompressed to count and to
// check them, with bounded memory), timestamps. Corrects in place what a client may get wrong and readers rely on:
// timestamp type, largest timestamp (and the CRC over them). `batch` must be the only user of its bytes.
Result<CheckedBatch> check_client_batch(Bytes batch, const LogConfig& config, Timestamp now_ms);

// The log of one partition on disk: segments with sparse offset and time indexes, producer state, leader epochs. Stored
// bytes are Kafka's record batches v2 as received. Not thread-safe: guarded by its Partition's mutex; only FlushPlan
// and the sources of ReadInfo are used outside it. Opens no file until it is read or written (an idle partition costs
// no descriptor). Formats: broker/README.md.
//
// Errors: corrupt, invalid_record, invalid_timestamp, message_too_large, batch_larger_than_segment,
// out_of_order_sequence, invalid_producer_epoch, unsupported_compression (append: the batch is refused and nothing
// changed); disk_full, io (nothing of the batch stays visible; after a failed flush or a failed repair the log is
// offline and answers storage_offline until reopened); offset_out_of_range (read).
class Log {
 public:
  // Recovers: verifies what may not have been flushed, cuts a torn tail, never drops a batch whose CRC matches and
  // whose predecessors are intact, rebuilds indexes and producer state where they cannot be trusted.
  static Result<std::unique_ptr<Log>> open(io::FileSystem& fs, LogOptions options);
  ~Log();

  // Validates one batch as a client sent it, assigns offsets and `epoch` in place in `batch` (which must be the only
  // user of these bytes), and writes it. See kafka-protocol rules of Produce: size, CRC, structure, then producer
  // sequence.
  Result<AppendInfo> append_as_leader(Bytes batch, LeaderEpoch epoch);
  // The same for a batch that was checked before the mutex was taken.
  Result<AppendInfo> append_as_leader(CheckedBatch batch, LeaderEpoch epoch);
  // Writes batches as a leader sent them, offsets included; they must continue the log. The bytes are not changed.
  // corrupt, too, when a batch claims an epoch beyond that of the leader who sent it: no checksum covers it.
  Result<AppendInfo> append_as_follower(Bytes batches, LeaderEpoch epoch_max = LeaderEpoch{INT32_MAX});

  Result<ReadInfo> read(Offset from, const ReadLimits& limits);

  // First record at or after `time` (its own offset and time), below `below`; nothing when there is none.
  Result<std::optional<TimestampOffset>> find_by_timestamp(Timestamp time, Offset below);
  Result<std::optional<TimestampOffset>> find_max_timestamp(Offset below);
  // KIP-101/KIP-320: largest epoch <= `epoch` and where the next one starts (the log end for the latest).
  EpochEndOffset end_offset_for_epoch(LeaderEpoch epoch) const;
  LeaderEpoch latest_epoch() const;
  std::optional<Sequence> next_sequence(ProducerId id, ProducerEpoch epoch) const;  // as ProducerState's
  LeaderEpoch epoch_at(Offset at) const;                                            // kNoLeaderEpoch when unknown

  Offset log_start() const;
  Offset log_end() const;
  Offset segment_start(Offset at) const;  // of the segment that holds `at`, or would
  Offset flushed_offset() const;          // records below it survive a power loss
  uint64_t size_bytes() const;
  bool is_offline() const;
  const LogConfig& config() const;
  void set_config(const LogConfig& config);

  // A new leader's first offset goes into the leader-epoch checkpoint. Epochs never go back.
  Status assign_epoch_start(LeaderEpoch epoch, Offset start);
  // Forgets epochs without records: one that this broker led in without an append is none of the next leader's.
  void forget_empty_epochs();

  // Group commit: begin under the mutex, flush the plan's files without it (several may be under way), end under it.
  // After a failure the log is offline, for what the kernel did with the data is unknown; a flush that is put off has
  // not happened, and is due again after kFlushAgainAfter.
  FlushPlan begin_flush();
  void end_flush(const FlushPlan& plan, const Status& outcome);
  // When the next flush is due: by flush.ms, now when a segment was sealed since the last one, or a while after one
  // that was put off; none when nothing is unflushed or there is no limit.
  std::optional<TimePoint> flush_due() const;

  // Rolls by time and removes segments beyond retention below `below` (the high watermark). Returns files to delete
  // after file.delete.delay.ms; deletion itself needs no mutex.
  struct RetentionWork {
    std::vector<std::string> delete_paths;
    size_t segments = 0;
  };
  Result<RetentionWork> enforce_retention(Offset below);
  Result<RetentionWork> advance_log_start(Offset to);  // DeleteRecords, and followers of a leader that did
  // The next append goes into a new segment, if there are records in this one.
  Status begin_segment();

  // Compaction by a LogCleaner, which needs no mutex. What there is to do below `below` (the high watermark), if
  // anything. A cleaned segment becomes the truth in commit_cleaned(); the caller flushes the directory without the
  // mutex (or reports why it could not) and install_cleaned() puts it in the place of its sources. conflict: the log
  // changed meanwhile, nothing happened.
  Result<std::optional<CleaningPlan>> plan_cleaning(Offset below);
  Status commit_cleaned(const CleaningPlan& plan, const CleanedSegment& cleaned);
  void fail_cleaned(const Error& why);
  Result<RetentionWork> install_cleaned(const CleaningPlan& plan, const CleanedSegment& cleaned);
  void end_cleaning(const CleaningPlan& plan, Offset cleaned_to);  // all of it is in place
  Offset cleaned_to() const;

  // Drops [to, end), durably before it returns. The caller then writes the recovery-point checkpoint and the cleaner's
  // (flushed_offset() and cleaned_to() may have gone back) before it appends what it wants recovered after a power
  // loss.
  Status truncate_to(Offset to);
  // Drops everything and goes on at `at`: a follower whose leader no longer has what would come next.
  Status start_over(Offset at);

  // Writes producer snapshot and indexes so that the next open() with clean_shutdown scans nothing. The caller flushes
  // first.
  Status close_cleanly();

 private:
  struct State;
  explicit Log(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Runs a plan's flushes. Any thread, no mutex held. Errors: of the disk; FlushPlan::is_put_off().
Status run_flush(io::FileSystem& fs, FlushPlan& plan);

}  // namespace millrace::storage
