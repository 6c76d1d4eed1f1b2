#include "broker/server/handlers/fetch_operation.h"

#include <algorithm>
#include <utility>

#include "broker/server/error_map.h"
#include "broker/server/handlers/partition_lookup.h"
#include "broker/server/services.h"

namespace millrace::server {

using protocol::ErrorCode;

FetchOperation::FetchOperation(const Services& services, FetchLimits limits, std::vector<FetchTarget> targets)
    : services_(services), limits_(limits), items_(targets.size()) {
  for (size_t i = 0; i < targets.size(); ++i) items_[i].target = std::move(targets[i]);
}

void FetchOperation::serve() {
  auto left = static_cast<size_t>(std::max<int64_t>(limits_.bytes_max, 0));
  bool at_least_one = true;
  for (FetchItem& item : items_) {
    const size_t limit = std::min(left, static_cast<size_t>(std::max(item.target.bytes_max, 0)));
    if (!is_unchanged(item, limit, at_least_one)) read(item, limit, at_least_one);
    left -= std::min(left, item.bytes());
    if (item.bytes() > 0) at_least_one = false;
  }
}

bool FetchOperation::is_unchanged(const FetchItem& item, size_t limit, bool at_least_one) const {
  if (!item.was_read || item.error != ErrorCode::none) return false;
  if (item.partition->version().changes != item.result.version.changes) return false;
  const replication::PartitionOffsets& offsets = item.result.offsets;
  const Offset below =
      limits_.isolation == replication::Isolation::read_committed ? offsets.last_stable : offsets.high_watermark;
  const bool at_end = item.target.offset >= below;
  return at_end || (limit == item.limit && at_least_one == item.at_least_one);
}

void FetchOperation::read(FetchItem& item, size_t limit, bool at_least_one) {
  const FetchTarget& target = item.target;
  item.was_read = true;
  item.limit = limit;
  item.at_least_one = at_least_one;
  item.error = ErrorCode::none;
  item.diverging = {};
  if (item.partition == nullptr) {
    PartitionLookup found = find_partition(services_, target.topic->name, target.topic->id, target.partition);
    item.partition = std::move(found.partition);
    item.error = found.error;
    if (item.partition == nullptr) return;
  }
  if (target.last_fetched_epoch != kNoLeaderEpoch) {
    const Result<storage::EpochEndOffset> end =
        item.partition->end_offset_for_epoch(target.last_fetched_epoch, target.current_epoch);
    if (!end) {
      item.error = to_error_code(end.error().code);
      return;
    }
    if (end->epoch < target.last_fetched_epoch || end->end_offset < target.offset) {
      item.diverging = *end;
      if (const auto offsets = item.partition->offsets(target.current_epoch)) item.result.offsets = *offsets;
      item.result.read = {};
      return;
    }
  }
  Result<replication::FetchResult> result = item.partition->fetch(
      target.offset, limit, at_least_one, limits_.isolation, target.current_epoch, kCopiedBytesMax - copied_bytes_);
  if (!result) {
    item.error = to_error_code(result.error().code);
    return;
  }
  item.result = std::move(*result);
  if (const auto* copied = std::get_if<Bytes>(&item.result.read.data)) copied_bytes_ += copied->size();
}

bool FetchOperation::is_complete() const {
  int64_t bytes = 0;
  for (const FetchItem& item : items_) {
    if (item.error != ErrorCode::none || item.is_diverging()) return true;
    bytes += static_cast<int64_t>(item.counted_bytes());
  }
  return items_.empty() || bytes >= std::min(limits_.bytes_min, limits_.bytes_max);
}

bool FetchOperation::is_ready() const {
  int64_t bytes = 0;
  for (const FetchItem& item : items_) {
    const replication::PartitionVersion version = item.partition->version();
    if (version.states != item.result.version.states) return true;
    const uint64_t available = item.counted_bytes() + (version.readable_bytes - item.result.version.readable_bytes);
    bytes +=
        static_cast<int64_t>(std::min<uint64_t>(available, static_cast<uint64_t>(std::max(item.target.bytes_max, 0))));
  }
  return bytes >= std::min(limits_.bytes_min, limits_.bytes_max);
}

std::vector<WatchKey> FetchOperation::keys() const {
  std::vector<WatchKey> keys;
  keys.reserve(items_.size());
  for (const FetchItem& item : items_) keys.push_back(watch_key(item.partition.get()));
  return keys;
}

}  // namespace millrace::server
