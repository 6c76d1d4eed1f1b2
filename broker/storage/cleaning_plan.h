#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/strong_id.h"
#include "broker/storage/log_config.h"

namespace millrace::storage {

// What Log::plan_cleaning() found to compact, for a LogCleaner that works on it without the partition's mutex. A value.
struct CleaningPlan {
  struct Source {  // a sealed segment, wholly below the high watermark and flushed
    Offset base;
    Offset end;
    uint64_t size_bytes = 0;
  };
  std::string directory;
  LogConfig config;
  std::vector<Source> sources;  // in order, without a gap, from the log start to the first one that may not be cleaned
  Offset first_dirty;           // below it no two records have the same key
  uint64_t clean_bytes = 0;     // of the sources, below first_dirty
  uint64_t dirty_bytes = 0;     // and the rest
  bool overdue = false;         // max.compaction.lag.ms has passed
  // Last offsets of the batches that idempotent producers are remembered by, ascending: these batches stay, without
  // records if need be, so that sequences go on after a restart that rebuilds the producers' state.
  std::vector<Offset> producer_batches;
  Timestamp now_ms = 0;     // when it was made
  uint64_t generation = 0;  // truncations of the log before it

  double dirty_ratio() const {
    const uint64_t all = clean_bytes + dirty_bytes;
    return all == 0 ? 0 : static_cast<double>(dirty_bytes) / static_cast<double>(all);
  }
  // By min.cleanable.dirty.ratio and max.compaction.lag.ms.
  bool is_due() const { return dirty_bytes != 0 && (overdue || dirty_ratio() > config.min_dirty_ratio); }
};

// A segment that takes the place of the sources [first, first + count) of a plan; its files are *.cleaned, flushed.
struct CleanedSegment {
  size_t first = 0;
  size_t count = 0;
  uint64_t size_bytes = 0;
};

}  // namespace millrace::storage
