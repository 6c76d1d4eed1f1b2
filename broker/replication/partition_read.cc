// Partition: what consumers ask of it.

#include <algorithm>
#include <utility>

#include "broker/replication/partition.h"

namespace millrace::replication {

Status Partition::check_readable(LeaderEpoch expected, ReadFrom whom) const {
  if (log_ == nullptr) return Errc::unknown_topic_or_partition;
  if (expected != kNoLeaderEpoch && expected < state_.leader_epoch) return Errc::fenced_leader_epoch;
  if (expected != kNoLeaderEpoch && expected > state_.leader_epoch) return Errc::unknown_leader_epoch;
  if (whom == ReadFrom::leader && !leads()) return Errc::not_leader;
  // After a failed flush a power loss may take what the page cache still shows: nobody may rest on it.
  if (log_->is_offline()) return Errc::storage_offline;
  return ok();
}

PartitionOffsets Partition::offsets_locked() const {
  return {.log_start = log_->log_start(),
          .high_watermark = high_watermark_,
          .last_stable = read_limit(Isolation::read_committed),
          .log_end = log_->log_end(),
          .flushed = log_->flushed_offset(),
          .cleaned_to = log_->cleaned_to()};
}

// Without transactions every record below the high watermark is stable.
Offset Partition::read_limit(Isolation) const { return high_watermark_; }

Result<FetchResult> Partition::fetch(Offset from, size_t bytes_max, bool at_least_one, Isolation isolation,
                                     LeaderEpoch expected, size_t copied_bytes_max, ReadFrom whom) {
  Aftermath after;
  Result<FetchResult> result = [&]() -> Result<FetchResult> {
    MutexLock lock(mutex_);
    Result<FetchResult> read = fetch_locked(from, bytes_max, at_least_one, isolation, expected, copied_bytes_max, whom);
    if (!read && read.error().code == Errc::corrupt) note_damage(from, after);
    return read;
  }();
  finish(after);
  return result;
}

Result<FetchResult> Partition::fetch_locked(Offset from, size_t bytes_max, bool at_least_one, Isolation isolation,
                                            LeaderEpoch expected, size_t copied_bytes_max, ReadFrom whom) {
  TRY(check_readable(expected, whom));
  if (from < log_->log_start() || from > log_->log_end()) return Errc::offset_out_of_range;
  FetchResult result{.offsets = offsets_locked(), .read = {}, .version = version(), .is_follower = !leads()};
  const Offset below = read_limit(isolation);
  if (from >= below || (bytes_max == 0 && !at_least_one)) return result;
  TRY_ASSIGN(result.read, log_->read(from, {.below = below,
                                            .bytes_max = bytes_max,
                                            .at_least_one = at_least_one,
                                            .copied_bytes_max = copied_bytes_max}));
  return result;
}

std::vector<ReplicaView> Partition::replicas_with(Offset at) const {
  MutexLock lock(mutex_);
  std::vector<ReplicaView> views;
  if (leader_ == nullptr || !leads()) return views;
  for (const LeaderState::Follower& follower : leader_->followers()) {
    const bool is_member = std::find(state_.isr.begin(), state_.isr.end(), follower.broker) != state_.isr.end();
    if (!is_member || follower.feed == nullptr || at < follower.log_start || at > follower.at.log_end) continue;
    views.push_back({follower.broker, follower.at.log_end, follower.lag(clock_.now())});
  }
  return views;
}

Result<PartitionOffsets> Partition::offsets(LeaderEpoch expected) const {
  MutexLock lock(mutex_);
  TRY(check_readable(expected, ReadFrom::leader));
  return offsets_locked();
}

Result<PartitionOffsets> Partition::offsets_of_log() const {
  MutexLock lock(mutex_);
  if (log_ == nullptr) return Errc::unknown_topic_or_partition;
  return offsets_locked();
}

Result<std::optional<storage::TimestampOffset>> Partition::find_by_timestamp(Timestamp time, Isolation isolation,
                                                                             LeaderEpoch expected) {
  MutexLock lock(mutex_);
  TRY(check_readable(expected, ReadFrom::leader));
  return log_->find_by_timestamp(time, read_limit(isolation));
}

Result<std::optional<storage::TimestampOffset>> Partition::find_max_timestamp(Isolation isolation,
                                                                              LeaderEpoch expected) {
  MutexLock lock(mutex_);
  TRY(check_readable(expected, ReadFrom::leader));
  return log_->find_max_timestamp(read_limit(isolation));
}

Result<storage::EpochEndOffset> Partition::end_offset_for_epoch(LeaderEpoch epoch, LeaderEpoch expected,
                                                                ReadFrom whom) const {
  MutexLock lock(mutex_);
  TRY(check_readable(expected, whom));
  return log_->end_offset_for_epoch(epoch);
}

LeaderEpoch Partition::epoch_at(Offset at) const {
  MutexLock lock(mutex_);
  return log_ == nullptr ? kNoLeaderEpoch : log_->epoch_at(at);
}

LeaderEpoch Partition::leader_epoch() const {
  MutexLock lock(mutex_);
  return state_.leader_epoch;
}

BrokerId Partition::leader() const {
  MutexLock lock(mutex_);
  return state_.leader;
}

bool Partition::is_replicated() const {
  MutexLock lock(mutex_);
  return state_.replicas.size() > 1;
}

bool Partition::is_under_replicated() const {
  MutexLock lock(mutex_);
  return leads() && state_.isr.size() < state_.replicas.size();
}

uint64_t Partition::size_bytes() const {
  MutexLock lock(mutex_);
  return log_ == nullptr ? 0 : log_->size_bytes();
}

bool Partition::is_offline() const {
  MutexLock lock(mutex_);
  return log_ != nullptr && log_->is_offline();
}

}  // namespace millrace::replication
