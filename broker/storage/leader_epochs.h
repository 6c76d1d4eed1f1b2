#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/storage/log.h"

namespace millrace::storage {

// Where each leader epoch of a log starts (KIP-101). Epochs and starts ascend. Text form (Kafka's
// leader-epoch-checkpoint): "0", the number of entries, then "epoch start" lines.
class LeaderEpochs {
 public:
  struct Entry {
    LeaderEpoch epoch;
    Offset start;
    friend bool operator==(const Entry&, const Entry&) = default;
  };

  static Result<LeaderEpochs> parse(std::string_view text);  // malformed, naming the line
  std::string format() const;

  // True when that changed something: the epoch is newer than the latest. Entries that start at or behind `start` are
  // replaced, for their epochs have no records.
  bool assign(LeaderEpoch epoch, Offset start);
  bool truncate_end(Offset end);      // forgets epochs that start at or behind `end`
  bool truncate_start(Offset start);  // and those that end before `start`

  LeaderEpoch latest() const { return entries_.empty() ? kNoLeaderEpoch : entries_.back().epoch; }
  LeaderEpoch at(Offset offset) const;
  EpochEndOffset end_offset(LeaderEpoch epoch, Offset log_end) const;
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::vector<Entry> entries_;
};

}  // namespace millrace::storage
