#pragma once

#include <atomic>
#include <compare>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/mutex.h"
#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/base/uuid.h"
#include "broker/metadata/cluster_image.h"
#include "broker/storage/flusher.h"
#include "broker/storage/log.h"

namespace millrace::replication {

struct TopicPartition {
  std::string topic;
  PartitionIndex partition;
  friend auto operator<=>(const TopicPartition&, const TopicPartition&) = default;
};

class Partition;

// Told, without the partition's mutex held, on the thread that caused it. Implementations wake what waits for the
// partition; cheap when nothing does. A partition may already have moved on when it is told.
class PartitionListener {
 public:
  virtual ~PartitionListener() = default;
  // The log end, the high watermark or the flushed offset moved, or leadership or the log's health changed.
  virtual void on_progress(const Partition& partition) = 0;
};

enum class Acks : int8_t { none = 0, leader = 1, all = -1 };
enum class Isolation : int8_t { read_uncommitted = 0, read_committed = 1 };

struct PartitionOffsets {
  Offset log_start;
  Offset high_watermark;
  Offset last_stable;
  Offset log_end;
  Offset flushed;
  Offset cleaned_to;  // compacted below it
};

// An append, and what its acknowledgement waits for.
struct Appended {
  storage::AppendInfo info;
  Offset log_start;
  LeaderEpoch epoch;
  Acks acks = Acks::all;
  bool acknowledged = false;  // already: nothing to wait for
};

// Counters by which a parked fetch decides, without a lock, whether it is worth running again.
struct PartitionVersion {
  uint64_t changes = 0;         // while it is the same, reading again gives the same
  uint64_t states = 0;          // leadership, the log start or the log's health changed, or the partition went away
  uint64_t readable_bytes = 0;  // its growth is how many bytes came below the high watermark
};

struct FetchResult {
  PartitionOffsets offsets;
  storage::ReadInfo read;
  PartitionVersion version;  // at this read
};

// What a partition's configuration means to its replica here.
struct PartitionConfig {
  storage::LogConfig log;
  int32_t min_insync_replicas = 1;
};

struct PartitionOptions {
  TopicPartition id;
  Uuid topic_id;
  BrokerId self;
  PartitionConfig config;
  PartitionListener* listener = nullptr;  // may be null; outlives the partition
  storage::Flusher* flusher = nullptr;    // outlives the partition
  Clock* clock = nullptr;
};

// One replica of a partition on this broker: its log and, as leader, the high watermark. Thread-safe; one mutex, held
// for memory work and page-cache reads and writes, never for a flush or the check of a batch. Owned by PartitionManager
// through shared_ptr, so that a request may outlive deletion. Never takes another lock while it holds its own, except
// inside io.
//
// Errors beside Log's, of all operations: unknown_topic_or_partition once deleted or closed; not_leader;
// fenced_leader_epoch or unknown_leader_epoch where `expected` (the epoch the client believes in; kNoLeaderEpoch: any)
// is older or newer than ours.
class Partition final : public storage::Flushable, public std::enable_shared_from_this<Partition> {
 public:
  Partition(PartitionOptions options, std::unique_ptr<storage::Log> log);
  ~Partition() override;

  const TopicPartition& id() const { return id_; }
  const Uuid& topic_id() const { return topic_id_; }
  bool is_internal() const { return is_internal_; }  // __consumer_offsets and the like

  // Assigns offsets and epoch in place in `batch`, of whose bytes the caller must be the only user. not_enough_replicas
  // when acks is all and the in-sync set is smaller than min.insync.replicas; then nothing was written.
  Result<Appended> append(Bytes batch, Acks acks);
  // False while the acknowledgement of what append() returned must wait: acks=all for the high watermark,
  // flush.messages for the flush. An error when it will never come: leadership moved on, or the flush failed.
  Result<bool> is_acknowledged(const Appended& appended) const;

  // Reads up to the high watermark (or the last stable offset). offset_out_of_range outside [log start, log end]; empty
  // between the high watermark and the log end. More than `copied_bytes_max` is never held in memory.
  Result<FetchResult> fetch(Offset from, size_t bytes_max, bool at_least_one, Isolation isolation, LeaderEpoch expected,
                            size_t copied_bytes_max = SIZE_MAX);
  PartitionVersion version() const;  // takes no lock

  Result<PartitionOffsets> offsets(LeaderEpoch expected = kNoLeaderEpoch) const;
  Result<std::optional<storage::TimestampOffset>> find_by_timestamp(Timestamp time, Isolation isolation,
                                                                    LeaderEpoch expected);
  Result<std::optional<storage::TimestampOffset>> find_max_timestamp(Isolation isolation, LeaderEpoch expected);
  Result<storage::EpochEndOffset> end_offset_for_epoch(LeaderEpoch epoch, LeaderEpoch expected) const;
  LeaderEpoch epoch_at(Offset at) const;  // that holds `at`, for answers that name an offset; kNoLeaderEpoch: unknown
  LeaderEpoch leader_epoch() const;
  BrokerId leader() const;
  uint64_t size_bytes() const;
  bool is_offline() const;          // its log failed and answers storage_offline
  int32_t batch_bytes_max() const;  // max.message.bytes

  Result<PartitionOffsets> offsets_of_log() const;  // whoever leads

  // From the cluster image, by PartitionManager.
  void set_state(const metadata::PartitionImage& state);
  void set_config(const PartitionConfig& config);

  // storage::Flushable, on a flusher's thread.
  storage::FlushPlan begin_flush() override;
  void end_flush(const storage::FlushPlan& plan, const Status& outcome) override;

  // By PartitionManager's background work. The files named may be removed after file.delete.delay.ms.
  Result<storage::Log::RetentionWork> enforce_retention();
  int64_t file_delete_delay_ms() const;
  Result<std::optional<storage::CleaningPlan>> plan_cleaning();
  // Puts a cleaned segment in place, durably; waits for the disk without the mutex.
  Result<storage::Log::RetentionWork> swap_cleaned(io::FileSystem& fs, const storage::CleaningPlan& plan,
                                                   const storage::CleanedSegment& cleaned);
  void end_cleaning(const storage::CleaningPlan& plan, Offset cleaned_to);

  // Ends all use: every later call answers unknown_topic_or_partition. close_cleanly() first makes the next open() scan
  // nothing (the caller has flushed); abandon() is for deletion.
  Status close_cleanly();
  void abandon();

 private:
  Status check_appendable(Acks acks) const REQUIRES(mutex_);
  Status check_readable(LeaderEpoch expected) const REQUIRES(mutex_);
  PartitionOffsets offsets_locked() const REQUIRES(mutex_);
  Offset read_limit(Isolation isolation) const REQUIRES(mutex_);
  void advance_high_watermark() REQUIRES(mutex_);
  void changed() REQUIRES(mutex_);
  void state_changed() REQUIRES(mutex_);
  void notify() const EXCLUDES(mutex_);
  // What the flusher is to be asked for once the mutex is released.
  struct FlushRequest {
    bool now = false;
    std::optional<TimePoint> by;
  };
  FlushRequest flush_request(bool now) REQUIRES(mutex_);
  void ask_flusher(const FlushRequest& request) EXCLUDES(mutex_);

  const TopicPartition id_;
  const Uuid topic_id_;
  const BrokerId self_;
  const bool is_internal_;
  PartitionListener* const listener_;
  storage::Flusher& flusher_;
  Clock& clock_;

  mutable Mutex mutex_;                                   // innermost
  std::unique_ptr<storage::Log> log_ GUARDED_BY(mutex_);  // null once closed or abandoned
  PartitionConfig config_ GUARDED_BY(mutex_);
  metadata::PartitionImage state_ GUARDED_BY(mutex_);
  Offset high_watermark_ GUARDED_BY(mutex_){0};
  bool flush_asked_ GUARDED_BY(mutex_) = false;  // of the flusher, by flush.ms, and not begun

  // How many bytes lie below an offset that the high watermark has not passed yet, oldest first.
  struct Mark {
    Offset end;
    uint64_t bytes = 0;
  };
  std::deque<Mark> marks_ GUARDED_BY(mutex_);
  uint64_t appended_bytes_ GUARDED_BY(mutex_) = 0;

  // Written under the mutex.
  std::atomic<uint64_t> changes_{0};
  std::atomic<uint64_t> states_{0};
  std::atomic<uint64_t> readable_bytes_{0};
};

}  // namespace millrace::replication
