#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "broker/base/mutex.h"
#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/base/uuid.h"
#include "broker/metadata/cluster_image.h"
#include "broker/replication/aftermath.h"
#include "broker/replication/commit_marks.h"
#include "broker/replication/follower_slot.h"
#include "broker/replication/leader_state.h"
#include "broker/replication/partition_types.h"
#include "broker/replication/refused_batches.h"

namespace millrace::replication {

// One replica of a partition on this broker: its log, the high watermark and, as leader, what the other replicas have.
// Thread-safe; one mutex, held for memory work and page-cache reads and writes, never for a flush or the check of a
// batch, except that truncation flushes under it. Owned by PartitionManager through shared_ptr, so that a request may
// outlive deletion. Never takes another lock while it holds its own, except inside io.
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
  // when acks is all and the in-sync set is smaller than min.insync.replicas; then nothing was written. A batch whose
  // producer sent it behind one that was refused is refused for the same reason (RefusedBatches).
  Result<Appended> append(Bytes batch, Acks acks);
  void note_refused(const protocol::BatchHeader& batch, Errc reason);  // before it was here
  // False while the acknowledgement of what append() returned must wait: acks=all for the high watermark,
  // flush.messages for the flush. An error when it will never come: leadership moved on, or the flush failed; and
  // not_enough_replicas_after_append when the in-sync set has become too small meanwhile.
  Result<bool> is_acknowledged(const Appended& appended) const;

  // Reads up to the high watermark (or the last stable offset). offset_out_of_range outside [log start, log end]; empty
  // between the high watermark and the log end. More than `copied_bytes_max` is never held in memory. not_leader for a
  // follower, unless any replica may answer.
  Result<FetchResult> fetch(Offset from, size_t bytes_max, bool at_least_one, Isolation isolation, LeaderEpoch expected,
                            size_t copied_bytes_max = SIZE_MAX, ReadFrom whom = ReadFrom::leader);
  PartitionVersion version() const;                         // takes no lock
  std::vector<ReplicaView> replicas_with(Offset at) const;  // led here: members that follow and hold it, or end there

  Result<PartitionOffsets> offsets(LeaderEpoch expected = kNoLeaderEpoch) const;
  Result<std::optional<storage::TimestampOffset>> find_by_timestamp(Timestamp time, Isolation isolation,
                                                                    LeaderEpoch expected);
  Result<std::optional<storage::TimestampOffset>> find_max_timestamp(Isolation isolation, LeaderEpoch expected);
  Result<storage::EpochEndOffset> end_offset_for_epoch(LeaderEpoch epoch, LeaderEpoch expected,
                                                       ReadFrom whom = ReadFrom::leader) const;
  LeaderEpoch epoch_at(Offset at) const;  // that holds `at`, for answers that name an offset; kNoLeaderEpoch: unknown
  LeaderEpoch leader_epoch() const;
  BrokerId leader() const;
  uint64_t size_bytes() const;
  PartitionSummary summary() const;
  bool is_offline() const;          // its log failed and answers storage_offline
  int32_t batch_bytes_max() const;  // max.message.bytes
  const ReplicaThrottle& throttle() const { return throttle_; }
  Result<PartitionOffsets> offsets_of_log() const;  // whoever leads
  bool is_replicated() const;                       // other brokers have replicas, too
  bool is_under_replicated() const;                 // it leads, and replicas are missing from the in-sync set

  // From the cluster image, by PartitionManager.
  void set_state(const metadata::PartitionImage& state);
  void set_config(const PartitionConfig& config);

  // As leader, by the link to a follower (partition_leader.cc). A feed begins where the follower stands, if its log is
  // a beginning of ours; it ends by end_feed(), or by itself when it says so. take() hands out what comes next, from
  // memory or, unless `memory_only`, from the log; would_block: it is not in memory. not_leader once it has ended.
  // Without `at_least_one` a first batch beyond bytes_max stays.
  FeedStart begin_feed(const std::shared_ptr<Feed>& feed, const Subscribe::Entry& entry, int64_t broker_epoch);
  Result<FeedData> take(Feed& feed, size_t bytes_max, bool at_least_one, bool memory_only);
  void feed_took(Feed& feed, Offset end);
  Status acknowledge(Feed& feed, const Ack::Entry& ack);  // malformed: it names what was not sent
  void end_feed(Feed& feed, TimePoint heard, bool leave);

  // As leader, by IsrKeeper: what to propose, and what became of it.
  IsrLook look_at_isr(int64_t own_broker_epoch, const LagLimits& limits, const IsEligible& is_eligible);
  void isr_answered(const IsrChange& change, IsrOutcome outcome);
  bool keep_watching();  // false: nothing to watch any more; it will ask again

  // As leader, by IsolationGuard: with `heard_since` this broker is isolated, and as long as a member of the in-sync
  // set follows on no stream on which something came after that time, writes are refused as not_leader, also those that
  // wait: that member may lead by now.
  IsolationLook look_at_isolation(std::optional<TimePoint> heard_since);
  bool is_cut_off() const;  // writes are refused because of that

  // As follower, by the link to the leader (partition_follower.cc). fenced_leader_epoch: the image has moved on from
  // the leader epoch that is meant.
  Status follow(const std::shared_ptr<FollowerSlot>& slot);
  void unfollow(const FollowerSlot& slot);
  Result<Subscribe::Entry> position(LeaderEpoch epoch) const;
  // Files to remove after file.delete.delay.ms are added to `removed`.
  Result<Ack::Entry> append_from_leader(LeaderEpoch epoch, const Data::Entry& data, std::vector<std::string>& removed);
  Result<Ack::Entry> learn(const Progress::Entry& progress, std::vector<std::string>& removed);
  Result<Ack::Entry> progress(LeaderEpoch epoch) const;
  // True when recovery points and cleaner offsets have to be written before anything is appended. policy_violation,
  // and nothing happens, when it would go below the high watermark: what is committed is never dropped.
  Result<bool> follow_answer(LeaderEpoch epoch, const Answer::Entry& answer);
  // What was found damaged while this broker followed, until it is dropped. Dropping needs this broker to be outside
  // of the in-sync set, so that no election rests on it: conflict before that.
  std::optional<Offset> damage() const;
  Result<bool> drop_damage(LeaderEpoch epoch);

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
  bool leads() const REQUIRES(mutex_);
  Status check_appendable(Acks acks) const REQUIRES(mutex_);
  Error refused(const protocol::BatchHeader& batch, Error why) REQUIRES(mutex_);
  Status check_readable(LeaderEpoch expected, ReadFrom whom) const REQUIRES(mutex_);
  Status check_following(LeaderEpoch epoch) const REQUIRES(mutex_);
  bool flushes_every_record() const REQUIRES(mutex_);
  PartitionOffsets offsets_locked() const REQUIRES(mutex_);
  Offset read_limit(Isolation isolation) const REQUIRES(mutex_);
  void advance_high_watermark(Aftermath& after) REQUIRES(mutex_);
  void raise_high_watermark(Offset to) REQUIRES(mutex_);
  void begin_leading(Aftermath& after) REQUIRES(mutex_);
  void end_leading(Aftermath& after) REQUIRES(mutex_);
  void push_feeds(Aftermath& after) REQUIRES(mutex_);
  void push_slot(Aftermath& after) REQUIRES(mutex_);
  void end_following(Aftermath& after) REQUIRES(mutex_);
  void check_in_sync_set(Aftermath& after) REQUIRES(mutex_);
  bool needs_isr_change() const REQUIRES(mutex_);
  Status learn_locked(Offset high_watermark, Offset log_start, std::vector<std::string>& removed) REQUIRES(mutex_);
  Ack::Entry own_progress() const REQUIRES(mutex_);
  Status cut_log(Offset to, bool& needs_checkpoints) REQUIRES(mutex_);
  void note_damage(Offset from, Aftermath& after) REQUIRES(mutex_);
  Result<FetchResult> fetch_locked(Offset from, size_t bytes_max, bool at_least_one, Isolation isolation,
                                   LeaderEpoch expected, size_t copied_bytes_max, ReadFrom whom) REQUIRES(mutex_);
  void changed() REQUIRES(mutex_);
  void state_changed() REQUIRES(mutex_);
  void notify() const EXCLUDES(mutex_);
  void plan_flush(Aftermath& after, bool now) REQUIRES(mutex_);
  void finish(const Aftermath& after) EXCLUDES(mutex_);

  const TopicPartition id_;
  const Uuid topic_id_;
  const BrokerId self_;
  const bool is_internal_;
  const LeaderEpoch lost_epoch_;
  PartitionListener* const listener_;
  IsrWatch* const isr_watch_;
  TailBudget* const tail_budget_;
  storage::Flusher& flusher_;
  Clock& clock_;

  mutable Mutex mutex_;                                   // innermost
  std::unique_ptr<storage::Log> log_ GUARDED_BY(mutex_);  // null once closed or abandoned
  PartitionConfig config_ GUARDED_BY(mutex_);
  ReplicaThrottle throttle_;
  metadata::PartitionImage state_ GUARDED_BY(mutex_);
  std::unique_ptr<LeaderState> leader_ GUARDED_BY(mutex_);  // while it leads replicas elsewhere
  std::shared_ptr<FollowerSlot> slot_ GUARDED_BY(mutex_);   // while a link follows its leader
  std::optional<Offset> damaged_at_ GUARDED_BY(mutex_);     // a batch that cannot be read
  Offset high_watermark_ GUARDED_BY(mutex_){0};
  bool flush_asked_ GUARDED_BY(mutex_) = false;    // of the flusher, by flush.ms, and not begun
  bool flush_put_off_ GUARDED_BY(mutex_) = false;  // the last one, because the disk was full
  CommitMarks marks_ GUARDED_BY(mutex_);
  bool is_cut_off_ GUARDED_BY(mutex_) = false;              // leads, and refuses writes: see look_at_isolation()
  mutable uint64_t cut_off_writes_ GUARDED_BY(mutex_) = 0;  // refused because of that
  RefusedBatches refused_ GUARDED_BY(mutex_);

  // Written under the mutex.
  std::atomic<uint64_t> changes_{0};
  std::atomic<uint64_t> states_{0};
  std::atomic<uint64_t> readable_bytes_{0};
};

}  // namespace millrace::replication
