// PartitionManager: logs are compacted, one at a time, in steps that leave the background loop to others in between.

#include <algorithm>
#include <utility>

#include "broker/base/logger.h"
#include "broker/replication/partition_manager_state.h"
#include "broker/replication/replication_config.h"

namespace millrace::replication {

namespace {

const Logger logger("replication");

constexpr size_t kStepBytes = size_t{512} * 1024;  // read in one step: a few milliseconds
constexpr Duration kPauseMax = std::chrono::minutes(1);

std::chrono::milliseconds backoff(const ConfigValues& values) {
  return std::chrono::milliseconds(config_int(values, kCleanerBackoffMs));
}

}  // namespace

void PartitionManager::State::schedule_cleaning() {
  if (!config_bool(*options.config.static_values, kCleanerEnable)) return;
  options.background->run_after(backoff(*options.config.static_values), [this] { begin_cleaning(); });
}

// Takes the log of which most is dirty, as Kafka does.
void PartitionManager::State::begin_cleaning() {
  std::optional<storage::CleaningPlan> best;
  std::shared_ptr<Partition> chosen;
  for (const std::shared_ptr<Partition>& partition : table.all()) {
    if (stopping) return;
    if (uncleanable.contains({partition->topic_id(), partition->id().partition})) continue;
    Result<std::optional<storage::CleaningPlan>> plan = partition->plan_cleaning();
    if (!plan) {
      if (plan.error().code == Errc::unknown_topic_or_partition) continue;  // deleted meanwhile
      logger.warn("log not looked at for compaction", {{"topic", partition->id().topic},
                                                       {"partition", partition->id().partition},
                                                       {"error", plan.error().to_string()}});
      continue;
    }
    if (!*plan || !(*plan)->is_due() || (best && (*plan)->dirty_ratio() <= best->dirty_ratio())) continue;
    best = std::move(*plan);
    chosen = partition;
  }
  if (!best) return schedule_cleaning();
  const auto map_bytes = static_cast<size_t>(config_int(*options.config.static_values, kCleanerDedupeBufferSize));
  cleaning = Cleaning{.partition = std::move(chosen),
                      .cleaner = std::make_unique<storage::LogCleaner>(
                          *options.fs, *std::move(best),
                          storage::LogCleaner::Limits{.map_bytes_max = map_bytes,
                                                      .hash_key = {options.random->next(), options.random->next()}})};
  clean_some();
}

void PartitionManager::State::clean_some() {
  if (stopping) return;
  bool done = false;
  const Status outcome = step_cleaning(done);
  if (!outcome || done) return end_cleaning(outcome);
  // The rate is kept by a pause behind each step.
  const storage::LogCleaner::Work& work = cleaning->cleaner->work();
  const uint64_t bytes = work.bytes_read + work.bytes_written;
  const auto owed = static_cast<double>(bytes - std::exchange(cleaning->paid_bytes, bytes));
  const double seconds = owed / config_double(*options.config.static_values, kCleanerIoBytesPerSecond);
  const Duration pause = std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(std::min(seconds, std::chrono::duration<double>(kPauseMax).count())));
  if (pause == Duration{}) return options.background->post([this] { clean_some(); });
  options.background->run_after(pause, [this] { clean_some(); });
}

Status PartitionManager::State::step_cleaning(bool& done) {
  Partition& partition = *cleaning->partition;
  storage::LogCleaner& cleaner = *cleaning->cleaner;
  TRY_ASSIGN(const storage::LogCleaner::Step step, cleaner.step(kStepBytes));
  if (step == storage::LogCleaner::Step::swap) {
    TRY_ASSIGN(storage::Log::RetentionWork work,
               partition.swap_cleaned(*options.fs, cleaner.plan(), cleaner.cleaned()));
    remove_later(std::move(work.delete_paths), partition.file_delete_delay_ms());
  }
  if (step != storage::LogCleaner::Step::done) return ok();
  done = true;
  partition.end_cleaning(cleaner.plan(), cleaner.cleaned_to());
  return ok();
}

void PartitionManager::State::end_cleaning(const Status& outcome) {
  const Cleaning ended = *std::exchange(cleaning, std::nullopt);
  const TopicPartition& id = ended.partition->id();
  const storage::LogCleaner::Work& work = ended.cleaner->work();
  options.metrics->compaction_read_bytes.add(work.bytes_read);
  options.metrics->compaction_written_bytes.add(work.bytes_written);
  options.metrics->compaction_removed_records.add(static_cast<uint64_t>(work.records_removed));
  if (outcome) {
    options.metrics->compactions.add();
    logger.info("log compacted", {{"topic", id.topic},
                                  {"partition", id.partition},
                                  {"to", ended.cleaner->cleaned_to()},
                                  {"records_removed", work.records_removed},
                                  {"bytes_read", work.bytes_read},
                                  {"bytes_written", work.bytes_written}});
    if (work.keyless_removed != 0) {
      logger.warn("records without a key were removed from a compacted topic",
                  {{"topic", id.topic}, {"partition", id.partition}, {"records", work.keyless_removed}});
    }
    static_cast<void>(write_cleaner_offsets().has_value());
    // Another may be due.
    return options.background->post([this] {
      if (!stopping) begin_cleaning();
    });
  }
  const Errc code = outcome.error().code;
  // Deleted or cut meanwhile: not the log's fault. A disk that is full may have space later.
  if (code != Errc::conflict && code != Errc::unknown_topic_or_partition && code != Errc::disk_full) {
    uncleanable.emplace(ended.partition->topic_id(), id.partition);
    options.metrics->compaction_failures.add();
    logger.error("log not compacted; it is not tried again before a restart",
                 {{"topic", id.topic}, {"partition", id.partition}, {"error", outcome.error().to_string()}});
  }
  schedule_cleaning();
}

Status PartitionManager::State::write_cleaner_offsets() {
  MutexLock lock(checkpoint_mutex);
  storage::OffsetCheckpoint offsets;
  for (const auto& partition : table.all()) {
    const Result<PartitionOffsets> at = partition->offsets_of_log();
    if (at && at->cleaned_to > Offset{0}) {
      offsets[{partition->id().topic, partition->id().partition}] = at->cleaned_to;
    }
  }
  Status written = options.dir->write_cleaner_offsets(offsets);
  if (!written) logger.warn("offsets of compaction not written", {{"error", written.error().to_string()}});
  return written;
}

}  // namespace millrace::replication
