#pragma once

#include <map>
#include <optional>
#include <string>

#include "broker/base/clock.h"
#include "broker/base/strong_id.h"

namespace millrace::coordinator {

struct CommittedOffset {
  Offset offset{-1};
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  std::string metadata;
  Timestamp committed_at = kNoTimestamp;
  std::optional<Timestamp> expires_at;  // when the client gave a retention (OffsetCommit 2 to 4)
  friend bool operator==(const CommittedOffset&, const CommittedOffset&) = default;
};

// What one group has committed: topic -> partition -> offset.
using GroupOffsets = std::map<std::string, std::map<PartitionIndex, CommittedOffset>, std::less<>>;

}  // namespace millrace::coordinator
