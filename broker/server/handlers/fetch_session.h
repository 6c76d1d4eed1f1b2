#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/metrics.h"
#include "broker/base/mutex.h"
#include "broker/base/strong_id.h"
#include "broker/base/uuid.h"
#include "broker/io/random.h"

namespace millrace::server {

// The topic of a fetch as the client named it: by name up to version 12, by id from 13 on; the other is left empty.
struct FetchTopic {
  std::string name;
  Uuid id;
  friend auto operator<=>(const FetchTopic&, const FetchTopic&) = default;
};

// What a client asks of one partition.
struct FetchTarget {
  std::shared_ptr<const FetchTopic> topic;
  PartitionIndex partition;
  Offset offset;
  int32_t bytes_max = 0;
  LeaderEpoch current_epoch = kNoLeaderEpoch;
  LeaderEpoch last_fetched_epoch = kNoLeaderEpoch;
};

// What an incremental reply has to compare with the last one (KIP-227).
struct FetchSummary {
  bool always_sent = false;  // records, an error, a divergence
  bool failed = false;
  Offset high_watermark = kNoOffset;
  Offset log_start = kNoOffset;
};

// The partitions a client keeps asking for, so that it need not repeat them. Thread-safe.
class FetchSession {
 public:
  FetchSession(int32_t id, bool by_topic_id, const std::vector<FetchTarget>& targets);

  int32_t id() const { return id_; }
  bool by_topic_id() const { return by_topic_id_; }
  size_t size() const;

  // Takes over what an incremental request changes. False when `epoch` is not the next one; then nothing changed.
  bool update(int32_t epoch, const std::vector<FetchTarget>& changed,
              const std::vector<std::pair<FetchTopic, PartitionIndex>>& forgotten);
  // All of them, in the order in which this reply serves them: what got records last comes last.
  std::vector<FetchTarget> targets() const;
  // Whether the reply must hold this partition; remembers it as sent if so.
  bool note_reply(const FetchTopic& topic, PartitionIndex partition, const FetchSummary& summary, bool records);

 private:
  struct Entry {
    FetchTarget target;
    Offset sent_high_watermark = kNoOffset;
    Offset sent_log_start = kNoOffset;
  };
  using Key = std::pair<FetchTopic, PartitionIndex>;
  void put(const FetchTarget& target) REQUIRES(mutex_);

  const int32_t id_;
  const bool by_topic_id_;
  mutable Mutex mutex_;  // after FetchSessionCache's
  int32_t next_epoch_ GUARDED_BY(mutex_) = 1;
  std::list<Entry> order_ GUARDED_BY(mutex_);
  std::map<Key, std::list<Entry>::iterator> entries_ GUARDED_BY(mutex_);
};

struct FetchSessionMetrics {
  Gauge sessions;
  Gauge partitions;
  Counter evictions;
  Counter refusals;
};

struct FetchSessionLimits {
  size_t slots = 1000;                              // max.incremental.fetch.session.cache.slots
  Duration eviction_min = std::chrono::minutes(2);  // a session younger than this, and in use, is not evicted
  size_t partitions_max = 1'000'000;                // of all sessions; a request beyond it is served without one
};

// All sessions of this broker, bounded. A full cache gives the slot of a session that was not used for eviction_min, or
// of the smallest one older than that when the newcomer is larger; else the newcomer is served without a session, which
// is always correct. Thread-safe.
class FetchSessionCache {
 public:
  FetchSessionCache(FetchSessionLimits limits, Clock& clock, io::Random& random)
      : limits_(limits), clock_(clock), random_(random) {}

  std::shared_ptr<FetchSession> create(bool by_topic_id, const std::vector<FetchTarget>& targets);  // null: refused
  std::shared_ptr<FetchSession> find(int32_t id);                                                   // counts as use
  void resized(const FetchSession& session);  // after update(); closes one that exceeds the limit
  void close(int32_t id);
  const FetchSessionMetrics& metrics() const { return metrics_; }

 private:
  struct Slot {
    std::shared_ptr<FetchSession> session;
    TimePoint created;
    TimePoint used;
    size_t size = 0;
  };
  bool make_room(size_t size) REQUIRES(mutex_);
  void erase(int32_t id) REQUIRES(mutex_);

  const FetchSessionLimits limits_;
  Clock& clock_;
  io::Random& random_;
  mutable Mutex mutex_;
  std::unordered_map<int32_t, Slot> slots_ GUARDED_BY(mutex_);
  size_t partitions_ GUARDED_BY(mutex_) = 0;
  FetchSessionMetrics metrics_;
};

}  // namespace millrace::server
