// Partition: compaction of its log.

#include <utility>

#include "broker/replication/partition.h"

namespace millrace::replication {

Result<std::optional<storage::CleaningPlan>> Partition::plan_cleaning() {
  MutexLock lock(mutex_);
  if (log_ == nullptr) return Errc::unknown_topic_or_partition;
  return log_->plan_cleaning(high_watermark_);
}

Result<storage::Log::RetentionWork> Partition::swap_cleaned(io::FileSystem& fs, const storage::CleaningPlan& plan,
                                                            const storage::CleanedSegment& cleaned) {
  {
    MutexLock lock(mutex_);
    if (log_ == nullptr) return Errc::unknown_topic_or_partition;
    TRY(log_->commit_cleaned(plan, cleaned));
  }
  const Status flushed = fs.flush_directory(plan.directory);
  storage::Log::RetentionWork work;
  {
    MutexLock lock(mutex_);
    if (log_ == nullptr) return Errc::unknown_topic_or_partition;
    Result<storage::Log::RetentionWork> installed =
        flushed ? log_->install_cleaned(plan, cleaned) : Result<storage::Log::RetentionWork>(flushed.error());
    if (!flushed) log_->fail_cleaned(flushed.error());
    if (log_->is_offline()) state_changed();
    TRY(installed);
    work = *std::move(installed);
  }
  notify();
  TRY(fs.flush_directory(plan.directory));
  return work;
}

void Partition::end_cleaning(const storage::CleaningPlan& plan, Offset cleaned_to) {
  MutexLock lock(mutex_);
  if (log_ != nullptr) log_->end_cleaning(plan, cleaned_to);
}

}  // namespace millrace::replication
