#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/storage/file_cache.h"
#include "broker/storage/leader_epochs.h"
#include "broker/storage/log.h"
#include "broker/storage/producer_state.h"
#include "broker/storage/segment.h"
#include "broker/storage/storage_metrics.h"

namespace millrace::storage {

// Where batches begin that are likely to be asked for next: the newest ones, and those behind earlier reads. Saves a
// sequential reader the search in the index. Allocated at first use.
class PositionHints {
 public:
  struct Hint {
    Offset offset = kNoOffset;  // base offset of the batch at `position`
    Offset segment_base = kNoOffset;
    uint64_t position = 0;
  };
  void add_append(const Hint& hint) { appends_[next_append_++ % appends_.size()] = hint; }
  void add_read(const Hint& hint) { reads_[next_read_++ % reads_.size()] = hint; }
  const Hint* find(Offset offset) const {
    for (const Hint& hint : appends_) {
      if (hint.offset == offset) return &hint;
    }
    for (const Hint& hint : reads_) {
      if (hint.offset == offset) return &hint;
    }
    return nullptr;
  }

 private:
  std::array<Hint, 8> appends_;
  std::array<Hint, 8> reads_;
  size_t next_append_ = 0;
  size_t next_read_ = 0;
};

// What a Log consists of, for the files that implement its verbs.
struct Log::State {
  State(io::FileSystem& file_system, LogOptions log_options);

  io::FileSystem& fs;
  LogOptions options;
  std::unique_ptr<FileCache> own_files;         // when none was given
  std::unique_ptr<StorageMetrics> own_metrics;  // likewise
  StorageMetrics& metrics;
  SegmentPlace place;
  std::vector<std::unique_ptr<Segment>> segments;  // by base offset; the last one is active; never empty once open
  ProducerState producers;
  LeaderEpochs epochs;
  std::unique_ptr<PositionHints> hints;

  Offset log_start{0};
  Offset flushed{0};        // records below it survive a power loss
  bool offline = false;     // a flush failed, or an append that could not be undone
  uint64_t generation = 0;  // of truncations
  uint64_t names = 0;       // changes of names in the directory, and how many of them survive a power loss
  uint64_t names_flushed = 0;
  bool parent_flushed = true;
  uint64_t epochs_changes = 0;  // changes of `epochs`, and how many of them the checkpoint has
  uint64_t epochs_written = 0;
  Offset flushing{0};                       // what the flushes under way cover
  std::optional<TimePoint> flush_again_at;  // the last one was put off
  TimePoint unflushed_since{};              // when the oldest record beyond `flushing` came
  Offset end_at_last_retention{0};
  Offset cleaned_to{0};            // below it compaction left one record of each key
  std::optional<Offset> swapping;  // base of a compacted segment that is whole and not yet in place (*.log.swap)

  const std::string& name() const { return options.directory; }
  Segment& active() { return *segments.back(); }
  Offset end() const { return segments.back()->end(); }
  size_t segment_of(Offset offset) const;                    // index of the last one with base <= offset, or 0
  void go_offline(std::string_view what, const Error& why);  // `what` happened; needs a restart
  Error offline_error() const { return {Errc::storage_offline, name() + " failed earlier and needs a restart"}; }

  // log_open.cc, log_recovery.cc
  Status create_or_check_directory();
  Status remove_leftovers(const std::vector<io::DirectoryEntry>& entries);
  Status load_epochs();
  Status open_segments(std::vector<Offset> bases);
  Status recover_segments(size_t first);
  Status load_producers(bool complete_at_end);
  std::optional<ProducerState> load_snapshot(Offset at);
  Status drop_segments_from(size_t index);
  Status start_over_at(Offset offset);
  Status write_epochs();
  std::string epochs_path() const { return io::join_path(options.directory, "leader-epoch-checkpoint"); }
  std::string metadata_path() const { return io::join_path(options.directory, "partition.metadata"); }
  std::vector<Offset> snapshots;  // offsets of *.snapshot files, ascending

  // log_append.cc
  Status roll_if_due(size_t bytes, Offset last_offset, Timestamp max_timestamp);
  Status roll();
  Status write_snapshot(Offset at);
  Status write_run(BytesView batches);
  void added(const protocol::BatchHeader& header, Timestamp now_ms);
  void assign_epoch(LeaderEpoch epoch, Offset start);
  void trim_bridge(Bytes& batches);

  // log_read.cc
  struct Start {
    Segment* segment;
    uint64_t position;
    Offset base_offset;
  };
  Result<Start> locate(Offset offset);
  void forget_positions() { hints.reset(); }

  // log_time.cc
  Result<std::optional<TimestampOffset>> record_in(Segment& segment, const Segment::Location& location, Timestamp time,
                                                   Offset from, Offset below);

  // log_cleaning.cc
  std::optional<size_t> find_sources(const CleaningPlan& plan, const CleanedSegment& cleaned) const;
  Status cancel_swap();
  Status finish_swaps(const std::vector<io::DirectoryEntry>& entries);

  // log_retention.cc
  Status remove_front(size_t count, RetentionWork& work);
};

}  // namespace millrace::storage
