#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/storage/batch_scanner.h"
#include "broker/storage/offset_index.h"

namespace millrace::storage {

// A run of a log in one file, from its base offset to the next segment's, with its two indexes. The last one of a log
// is active: appended to. Positions are bytes from the start of the file, always at a batch. Not thread-safe; `place`
// outlives it.
class Segment {
 public:
  static constexpr uint64_t kIndexEntriesMax = (10u << 20) / OffsetIndex::kEntryBytes;  // Kafka's 10 MiB

  Segment(const SegmentPlace& place, Offset base, SegmentStage stage = SegmentStage::live)
      : base_(base),
        end_(base),
        log_(place, base, stage == SegmentStage::live ? kLogSuffix : kCleanedLogSuffix),
        offsets_(place, base, stage),
        times_(place, base, stage) {}

  Status create_file();  // empty, also when an earlier one is there
  // Takes the size of a file that is trusted; its end is `end`, the next segment's base.
  Status adopt_sealed(Offset end);
  // Finds end and largest timestamp of a trusted last segment through its indexes. corrupt when they cannot be.
  Status adopt_active();
  // A batch of the recovered part, or a damaged range that was kept.
  struct Recovery {
    uint64_t cut_bytes = 0;
    uint64_t damaged_bytes = 0;  // kept: intact batches follow
    std::string reason;          // of the first cut or damage
  };
  // Verifies all batches, builds the indexes anew and calls `seen` for each batch. Cuts (durably) at the first damage,
  // unless intact batches that end at or below `keep_below` follow it: those were flushed and are kept.
  Result<Recovery> recover(Offset keep_below, int32_t index_interval,
                           const std::function<void(const protocol::BatchHeader&)>& seen);
  // Walks the headers of a trusted segment from the batch that holds `from`.
  Status for_each_header(Offset from, const std::function<void(const protocol::BatchHeader&)>& seen);

  // Writes one run of whole batches; on an error the file is as before, or (second) could not be made so.
  struct AppendFailure {
    Error error;
    bool repaired = true;
  };
  std::optional<AppendFailure> append(BytesView batches);
  // Notes a batch of that run. In order.
  void add_batch(const protocol::BatchHeader& header, int32_t index_interval);

  // The batch that holds `offset`, which lies in [base, end).
  struct Location {
    uint64_t position = 0;
    Offset base_offset;
    uint64_t bytes = 0;
    Offset next_offset;
  };
  Result<Location> locate(Offset offset);
  // The largest batch boundary in [from, limit]; `from` is one, of the batch with offset `at`.
  Result<uint64_t> boundary_before(uint64_t from, Offset at, uint64_t limit);
  // Checks the checksums of [from, to), which begin with offset `at`, once; answers where the intact part ends.
  struct Verified {
    uint64_t end = 0;
    const char* reason = "";
  };
  Result<Verified> verify(uint64_t from, uint64_t to, Offset at);

  // The first batch that has a record at or after `time` and offset >= `from`, as far as headers say; nothing when
  // none.
  Result<std::optional<Location>> locate_time(Timestamp time, Offset from);
  Result<Timestamp> max_timestamp();         // kNoTimestamp when there is none
  Result<Timestamp> read_first_timestamp();  // largest of the first batch; kNoTimestamp when there is none

  Status truncate_to(Offset to);  // durable
  Status seal();                  // what indexes need before the next segment takes over, or a clean stop
  Status release_memory();        // an idle segment keeps next to nothing
  // To *.deleted. A producer snapshot at the base stays when compaction has another segment for these offsets.
  enum class Snapshot : uint8_t { remove, keep };
  Status remove_names(const std::function<void(std::string)>& renamed, Snapshot snapshot = Snapshot::remove);

  Offset base() const { return base_; }
  Offset end() const { return end_; }
  uint64_t size() const { return size_; }
  bool is_empty() const { return size_ == 0; }
  Result<std::shared_ptr<io::File>> file() { return log_.open(); }
  std::string path() const { return log_.path(); }
  Timestamp first_timestamp() const { return first_timestamp_; }
  Timestamp created_ms() const { return created_ms_; }
  void set_created_ms(Timestamp time) { created_ms_ = time; }
  Result<bool> indexes_full();
  // For a flush: index files that exist.
  Result<std::vector<std::shared_ptr<io::File>>> index_files();
  bool indexes_flushed() const { return indexes_flushed_; }
  void set_indexes_flushed(bool flushed) { indexes_flushed_ = flushed; }

 private:
  Status check_indexes();  // once; builds them anew when they cannot be right
  Status rebuild_indexes();
  Status clear_indexes();
  Status finish_times();
  Result<BatchScanner> scanner_for(const io::File& file, Offset offset);
  void set_verified(uint64_t from, uint64_t to);

  const Offset base_;
  Offset end_;
  uint64_t size_ = 0;
  SegmentFile log_;
  OffsetIndex offsets_;
  TimeIndex times_;
  Timestamp max_timestamp_ = kNoTimestamp;
  Offset max_timestamp_offset_ = kNoOffset;
  Timestamp first_timestamp_ = kNoTimestamp;
  Timestamp created_ms_ = kNoTimestamp;
  uint32_t bytes_since_index_ = 0;
  bool max_timestamp_known_ = true;
  bool indexes_checked_ = true;
  bool indexes_flushed_ = false;
  std::vector<std::pair<uint64_t, uint64_t>> verified_;  // ascending, apart: checksums known to be right
};

}  // namespace millrace::storage
