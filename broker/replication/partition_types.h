#pragma once

#include <algorithm>
#include <atomic>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/strong_id.h"
#include "broker/base/uuid.h"
#include "broker/metadata/topic_config.h"
#include "broker/replication/isr_changes.h"
#include "broker/storage/flusher.h"
#include "broker/storage/log.h"

namespace millrace::replication {

class Partition;
class TailBudget;

struct TopicPartition {
  std::string topic;
  PartitionIndex partition;
  friend auto operator<=>(const TopicPartition&, const TopicPartition&) = default;
};

// Told, without the partition's mutex held, on the thread that caused it. Implementations wake what waits for the
// partition; cheap when nothing does. A partition may already have moved on when it is told.
class PartitionListener {
 public:
  virtual ~PartitionListener() = default;
  // The log end, the high watermark or the flushed offset moved, or leadership or the log's health changed.
  virtual void on_progress(const Partition& partition) = 0;
  // Partitions have come to this broker, and are found now. On the thread of PartitionManager::apply().
  virtual void on_opened() {}
};

// Told by partitions that lead replicas elsewhere when their in-sync sets need care; see IsrKeeper. Thread-safe; called
// without the partition's mutex held.
class IsrWatch {
 public:
  virtual ~IsrWatch() = default;
  // A member of the in-sync set is behind: look at it from time to time until none is.
  virtual void watch(std::shared_ptr<Partition> partition) = 0;
  // The set may have to change now.
  virtual void look_soon(std::shared_ptr<Partition> partition) = 0;
};

enum class Acks : int8_t { none = 0, leader = 1, all = -1 };
enum class Isolation : int8_t { read_uncommitted = 0, read_committed = 1 };
// Whom a read may ask: the leader alone, or any replica, which serves what it knows to be below the high watermark
// (KIP-392).
enum class ReadFrom : uint8_t { leader, any_replica };

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

// What a look at the in-sync set came to.
struct IsrLook {
  std::optional<IsrChange> change{};  // to propose
  bool look_again = false;            // a change is needed that cannot be proposed yet
  bool shrinks = false;               // the change takes members out
  bool expands = false;               // or in
};

// What metrics show of a partition.
struct PartitionSummary {
  bool leads = false;
  bool is_offline = false;
  bool is_under_replicated = false;  // led here, and so are the next two
  bool is_under_min_isr = false;
  uint64_t bytes = 0;              // of its log
  uint64_t uncommitted_bytes = 0;  // appended here and not below the high watermark yet
  int64_t lag_records_max = 0;     // what the replica that is farthest behind lacks
};

// A replica elsewhere, as the leader knows it.
struct ReplicaView {
  BrokerId broker;
  Offset log_end;
  Duration lag{};  // since when it has not been level
};

// What a look at a partition of an isolated broker came to.
struct IsolationLook {
  bool leads = false;
  bool refuses = false;
  uint64_t refused = 0;  // writes since the last look
};

struct FetchResult {
  PartitionOffsets offsets;
  storage::ReadInfo read;
  PartitionVersion version;  // at this read
  bool is_follower = false;  // it was read from
};

// Replicas of a topic that are slowed down while they are behind.
struct ThrottledReplicas {
  bool all = false;
  std::vector<metadata::ThrottledReplica> some;  // sorted
  bool has(PartitionIndex partition, BrokerId broker) const {
    return all || std::binary_search(some.begin(), some.end(), metadata::ThrottledReplica{partition, broker});
  }
};

// What a partition's configuration means to its replica here.
struct PartitionConfig {
  storage::LogConfig log;
  int32_t min_insync_replicas = 1;
  std::shared_ptr<const ThrottledReplicas> throttled_leaders{};    // null: none
  std::shared_ptr<const ThrottledReplicas> throttled_followers{};  // likewise
};

// Whether a replica is to be slow while it leads those who are behind, and while it is behind. Set with the partition's
// configuration, read by links without a lock.
class ReplicaThrottle {
 public:
  void set(const PartitionConfig& config, PartitionIndex partition, BrokerId self) {
    const auto has = [&](const auto& replicas) { return replicas != nullptr && replicas->has(partition, self); };
    as_leader_.store(has(config.throttled_leaders), std::memory_order_relaxed);
    as_follower_.store(has(config.throttled_followers), std::memory_order_relaxed);
  }
  bool as_leader() const { return as_leader_.load(std::memory_order_relaxed); }
  bool as_follower() const { return as_follower_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> as_leader_{false};
  std::atomic<bool> as_follower_{false};
};

struct PartitionOptions {
  TopicPartition id;
  Uuid topic_id;
  BrokerId self;
  PartitionConfig config;
  PartitionListener* listener = nullptr;  // may be null; outlives the partition
  storage::Flusher* flusher = nullptr;    // outlives the partition
  Clock* clock = nullptr;
  IsrWatch* isr_watch = nullptr;      // may be null: in-sync sets stay as they are; outlives the partition
  TailBudget* tail_budget = nullptr;  // may be null: followers read the log; outlives the partition
  Offset high_watermark{0};           // as it was known when the broker stopped
  // The process before this one stopped uncleanly while the image was in this leader epoch: the log may have lost what
  // was acknowledged in it, so that this broker does not lead in it again when there are other replicas.
  LeaderEpoch lost_epoch = kNoLeaderEpoch;
};

}  // namespace millrace::replication
