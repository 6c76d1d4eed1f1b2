#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>

#include "broker/base/metrics.h"
#include "broker/base/mutex.h"
#include "broker/base/strong_id.h"

namespace millrace::replication {

// Record bytes to and from single brokers. Those beyond kPeersMax share one place. Thread-safe; what of() answers lives
// as long as this, and counting in it takes no lock.
class PeerTraffic {
 public:
  static constexpr size_t kPeersMax = 100;
  struct Peer {
    Counter sent_bytes;
    Counter received_bytes;
  };

  Peer& of(BrokerId broker) {
    MutexLock lock(mutex_);
    const auto found = peers_.find(broker);
    if (found != peers_.end()) return *found->second;
    if (peers_.size() >= kPeersMax) return others_;
    return *peers_.emplace(broker, std::make_unique<Peer>()).first->second;
  }
  template <class Show>
  void each(Show show) const {  // show(std::optional<BrokerId>, const Peer&); none: all others
    MutexLock lock(mutex_);
    for (const auto& [broker, peer] : peers_) show(std::optional(broker), *peer);
    if (peers_.size() >= kPeersMax) show(std::optional<BrokerId>(), others_);
  }

 private:
  mutable Mutex mutex_;  // a leaf
  std::map<BrokerId, std::unique_ptr<Peer>> peers_ GUARDED_BY(mutex_);
  Peer others_;
};

// What replication between brokers counts. app/ names and shows them.
struct ReplicationMetrics {
  Counter sent_bytes;           // of records, to followers
  Counter sent_catch_up_bytes;  // of them, to those that were behind
  Counter sent_messages;        // with records
  Counter received_bytes;       // of records, from leaders
  PeerTraffic peers;            // the same, by broker
  Counter tail_hits;            // times records for a follower were in memory
  Counter tail_misses;          // times they had to be read from the log
  Counter truncations;          // answers of leaders that were followed
  Counter refused_truncations;  // that would have dropped what is committed
  Counter damaged_messages;     // records that did not arrive as they were stored
  Counter refetches;            // damaged records dropped here, to be fetched again
  Counter broken_links;         // either end
  Counter isr_shrinks;
  Counter isr_expands;
  Gauge refusing_partitions;  // led here, and writes are refused while the broker is isolated
  Counter refused_writes;     // because of that
};

}  // namespace millrace::replication
