#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "broker/base/mutex.h"
#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/base/uuid.h"
#include "broker/storage/log.h"

namespace millrace::replication {

struct TopicPartition {
  std::string topic;
  PartitionIndex partition;
  friend auto operator<=>(const TopicPartition&, const TopicPartition&) = default;
};

class Partition;

// Told, without the partition's mutex held, on the thread that caused it. Implementations wake what waits for the
// partition; cheap when nothing does.
class PartitionListener {
 public:
  virtual ~PartitionListener() = default;
  // The log end, the high watermark or the flushed offset moved, or leadership or the log's health changed.
  virtual void on_progress(const Partition& partition) = 0;
};

enum class Acks : int8_t { none = 0, leader = 1, all = -1 };

struct PartitionOffsets {
  Offset log_start;
  Offset high_watermark;
  Offset last_stable;
  Offset log_end;
  Offset flushed;
};

struct FetchResult {
  PartitionOffsets offsets;
  storage::ReadInfo read;
};

enum class Isolation : int8_t { read_uncommitted = 0, read_committed = 1 };

// One replica of a partition on this broker: its log and, as leader, the high watermark. Thread-safe; one mutex, held
// for memory work and page-cache reads and writes, never for a flush. Owned by PartitionManager through shared_ptr, so
// that a request may outlive deletion.
class Partition {
 public:
  const TopicPartition& id() const;
  const Uuid& topic_id() const;
  bool is_internal() const;  // __consumer_offsets and the like

  // Errors beside Log's: not_leader, fenced_leader_epoch / unknown_leader_epoch (expected epoch of the request, -1:
  // any). The record is acknowledged when is_acknowledged(info.last_offset, acks) turns true.
  Result<storage::AppendInfo> append(Bytes batch, Acks acks);
  bool is_acknowledged(Offset last_offset, Acks acks, bool flush_before_ack) const;

  // Reads up to the high watermark (or the last stable offset). offset_out_of_range outside [log start, log end]; empty
  // between the high watermark and the log end.
  Result<FetchResult> fetch(Offset from, size_t bytes_max, bool at_least_one, Isolation isolation,
                            LeaderEpoch expected);

  Result<PartitionOffsets> offsets(LeaderEpoch expected) const;
  Result<std::optional<storage::TimestampOffset>> find_by_timestamp(Timestamp time, Isolation isolation,
                                                                    LeaderEpoch expected);
  Result<std::optional<storage::TimestampOffset>> find_max_timestamp(Isolation isolation, LeaderEpoch expected);
  Result<storage::EpochEndOffset> end_offset_for_epoch(LeaderEpoch epoch, LeaderEpoch expected) const;
  LeaderEpoch leader_epoch() const;
  uint64_t size_bytes() const;
};

}  // namespace millrace::replication
