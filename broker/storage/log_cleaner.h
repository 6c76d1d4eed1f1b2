#pragma once

#include <memory>
#include <optional>

#include "broker/base/result.h"
#include "broker/io/file_system.h"
#include "broker/storage/batch_filter.h"
#include "broker/storage/cleaning_plan.h"
#include "broker/storage/offset_map.h"
#include "broker/storage/segment.h"
#include "broker/storage/segment_walk.h"

namespace millrace::storage {

// Compacts the sealed segments of one log (cleanup.policy=compact): first notes the newest offset of each key of the
// dirty part, as many keys as the map holds; then writes the segments anew, oldest first, without the records that
// newer ones supersede; small neighbours become one segment of at most segment.bytes. Offsets stay: what a dropped
// batch leaves is bridged by one batch without records (consumers and Kafka's tools step over those), so that a segment
// stays a gapless run of batches and recovery needs no exception for it.
//
// Works in steps, on files of its own and without any lock, so that its owner can pace it. Between steps the log may
// change: what Log::commit_cleaned() no longer accepts is dropped. Not thread-safe. Memory: the map, a chunk and the
// largest batch, decompressed. One pass: made, stepped until `done`, thrown away; its unfinished files go with it.
//
// Errors of step(): those of the file system; corrupt or invalid_record (a source is damaged: nothing of the log has
// changed, and it should not be tried again before the next start).
class LogCleaner {
 public:
  struct Limits {
    size_t map_bytes_max = 128u << 20;
    OffsetMap::HashKey hash_key{};  // random
  };
  // `done`: first_dirty moves to cleaned_to(). `swap`: cleaned() is ready to take the place of its sources.
  enum class Step : uint8_t { more, swap, done };

  LogCleaner(io::FileSystem& fs, CleaningPlan plan, Limits limits);
  ~LogCleaner();
  LogCleaner(const LogCleaner&) = delete;
  LogCleaner& operator=(const LogCleaner&) = delete;

  Result<Step> step(size_t bytes);  // reads about so many

  const CleaningPlan& plan() const { return plan_; }
  const CleanedSegment& cleaned() const { return cleaned_; }
  Offset cleaned_to() const { return map_end_; }  // once the first `swap` or `done` was returned
  struct Work {
    uint64_t bytes_read = 0;
    uint64_t bytes_written = 0;
    int64_t records_removed = 0;
    int64_t keyless_removed = 0;
    size_t map_entries = 0;
    size_t map_bytes = 0;
  };
  const Work& work() const { return work_; }

 private:
  enum class Phase : uint8_t { map, copy, end };

  Result<Step> map_some(size_t bytes);
  Status map_batch();
  Result<Step> copy_some(size_t bytes);
  Status begin_group();
  Status copy_batch();
  Result<Step> finish_group();
  Result<bool> next_batch(size_t source);  // opens the source when it is new; false behind its last batch
  Status put(const Bytes& batch);
  Status put_bridge();
  Status write_out();
  void remove_files();
  bool is_producer_batch(Offset last) const;

  io::FileSystem& fs_;
  const CleaningPlan plan_;
  FileCache files_;
  const SegmentPlace place_;

  Phase phase_ = Phase::map;
  OffsetMap map_;
  Offset map_end_;
  size_t source_ = 0;
  std::unique_ptr<SegmentWalk> walk_;

  CleanedSegment cleaned_;
  std::unique_ptr<Segment> output_;  // of the group that is being written
  bool output_changed_ = false;
  bool has_files_ = false;
  struct Bridge {  // over dropped batches of one epoch
    Offset first;
    Offset last;
    LeaderEpoch epoch;
  };
  std::optional<Bridge> bridge_;
  std::vector<std::byte> pending_;  // whole batches to write
  uint64_t unflushed_bytes_ = 0;
  Work work_;
};

}  // namespace millrace::storage
