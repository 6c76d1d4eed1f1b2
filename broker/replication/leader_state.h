#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/strong_id.h"
#include "broker/metadata/cluster_image.h"
#include "broker/replication/feed.h"
#include "broker/replication/high_watermark.h"
#include "broker/replication/isr_changes.h"
#include "broker/replication/replication_config.h"
#include "broker/replication/tail_cache.h"

namespace millrace::replication {

// How long a refusal is not believed after an attempt whose outcome is unknown: an attempt that is still on its way has
// arrived or died by then.
inline constexpr Duration kUncertainFor = std::chrono::seconds(30);

// Whether the controller would take a broker, under the epoch that it gave itself, into an in-sync set.
using IsEligible = std::function<bool(BrokerId broker, int64_t broker_epoch)>;

// What a leader knows about the other replicas of a partition in one leader epoch, and what follows from it. Pure;
// guarded by its Partition. `log_end` is always the leader's own.
class LeaderState {
 public:
  struct Follower {
    BrokerId broker;
    int64_t broker_epoch = -1;
    Offset log_start{0};
    ReplicaProgress at{kNoOffset, kNoOffset};  // none: it has not said anything in this leader epoch
    std::shared_ptr<Feed> feed;                // null while it is not subscribed
    // It had all that the leader had at caught_up_at. Without a mark it has all now, as far as was said; otherwise it
    // has when it reaches the mark what the leader had at mark_at.
    TimePoint caught_up_at;
    Offset mark = kNoOffset;
    TimePoint mark_at;
    bool is_leaving = false;
    Duration lag(TimePoint now) const;
  };

  LeaderState(const metadata::PartitionImage& image, BrokerId self, TailBudget* budget, Offset epoch_start,
              TimePoint now);

  // The image shows another state of the same leader epoch. Feeds of replicas that are gone are ended and pushed.
  void set_image(const metadata::PartitionImage& image, Offset log_end, TimePoint now);

  Follower* find(BrokerId broker);
  std::vector<Follower>& followers() { return followers_; }
  const std::vector<Follower>& followers() const { return followers_; }

  // Up to where every member of the maximal in-sync set has the log: the committed set and, while a change is under
  // way, the one it leads to, whichever the controller has made true. kNoOffset while that is unknown, and while fewer
  // are in sync than min.insync.replicas, so that nothing counts as committed that an election may lose (KIP-966).
  Offset high_watermark(const ReplicaProgress& own, bool flush_every_record, int32_t min_insync_replicas) const;

  void appended(TailCache::Batch batch, TimePoint now);
  void begin(Follower& follower, const Subscribe::Entry& entry, Offset log_end, Offset high_watermark, bool flushed,
             TimePoint now);
  void acknowledged(Follower& follower, const Ack::Entry& ack, Offset log_end, bool flushed, TimePoint now);
  void end(Follower& follower, Offset log_end, TimePoint heard, bool leave);
  void release_tail();
  TailCache& tail() { return tail_; }

  // Members of the in-sync set that are not level with the leader: whether there is anything to watch.
  bool has_member_behind() const;
  bool has_lost_member() const;  // one that must leave the set at once
  // One, of the maximal set, that follows on no stream on which something was heard after `since`.
  bool has_unheard_member(TimePoint since) const;
  // Whether a replica outside the in-sync set could be taken into it.
  bool has_candidate(Offset high_watermark, bool flushed) const;
  struct Wish {
    const Uuid& topic_id;
    PartitionIndex partition;
    int64_t own_broker_epoch;
    Offset high_watermark;
    bool flush_every_record;
    TimePoint now;
    LagLimits limits;
  };
  // The change that the set needs, which is under way from now on; none while one is. An attempt whose outcome is
  // unknown is repeated as it was.
  std::optional<IsrChange> next_change(const Wish& wish, const IsEligible& is_eligible);
  void answered(const IsrChange& change, IsrOutcome outcome, TimePoint now);
  bool has_pending() const { return pending_.has_value(); }

  bool is_watched = false;  // IsrWatch::watch() was called, and keep_watching() has not ended it
  bool is_asked = false;    // look_soon() was called, and nobody has looked

 private:
  bool is_member(BrokerId broker) const;
  bool counts(BrokerId broker) const;
  bool is_candidate(const Follower& follower, Offset high_watermark, bool flushed) const;

  struct Pending {
    IsrChange change;
    bool is_asked = true;                        // the answer is awaited
    bool is_settled = false;                     // the image will show what became of it
    std::optional<TimePoint> uncertain_until{};  // after an unknown outcome
  };

  const BrokerId self_;
  const Offset epoch_start_;
  metadata::PartitionImage image_;
  std::vector<Follower> followers_;
  std::optional<Pending> pending_;
  TailCache tail_;
};

}  // namespace millrace::replication
