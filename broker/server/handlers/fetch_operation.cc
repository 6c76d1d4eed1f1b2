#include "broker/server/handlers/fetch_operation.h"

#include <algorithm>
#include <utility>

#include "broker/metadata/image_store.h"
#include "broker/metadata/topic_config.h"
#include "broker/server/error_map.h"
#include "broker/server/handlers/partition_lookup.h"
#include "broker/server/handlers/replica_selector.h"
#include "broker/server/services.h"

namespace millrace::server {

using protocol::ErrorCode;

FetchOperation::FetchOperation(const Services& services, FetchLimits limits, std::string listener,
                               std::vector<FetchTarget> targets)
    : services_(services), limits_(std::move(limits)), listener_(std::move(listener)), items_(targets.size()) {
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
  item.preferred = kNoBroker;
  if (item.partition == nullptr) {
    PartitionLookup found = find_partition(services_, target.topic->name, target.topic->id, target.partition);
    item.partition = std::move(found.partition);
    item.error = found.error;
    if (item.partition == nullptr) return;
  }
  item.error = redirect(item);
  if (item.error == ErrorCode::none && !item.is_redirected()) item.error = check_history(item);
  if (item.error != ErrorCode::none || item.is_redirected() || item.is_diverging()) return;
  Result<replication::FetchResult> result =
      item.partition->fetch(target.offset, limit, at_least_one, limits_.isolation, target.current_epoch,
                            kCopiedBytesMax - copied_bytes_, limits_.whom);
  if (!result) {
    item.error = to_error_code(result.error().code);
    return;
  }
  item.result = std::move(*result);
  if (const auto* copied = std::get_if<Bytes>(&item.result.read.data)) copied_bytes_ += copied->size();
}

// Whether the client's last record is one of this history.
ErrorCode FetchOperation::check_history(FetchItem& item) const {
  const FetchTarget& target = item.target;
  if (target.last_fetched_epoch == kNoLeaderEpoch) return ErrorCode::none;
  const Result<storage::EpochEndOffset> end =
      item.partition->end_offset_for_epoch(target.last_fetched_epoch, target.current_epoch, limits_.whom);
  if (!end) return to_error_code(end.error().code);
  if (end->epoch == kNoLeaderEpoch) return ErrorCode::offset_out_of_range;  // of an epoch that is not known here
  if (end->epoch >= target.last_fetched_epoch && end->end_offset >= target.offset) return ErrorCode::none;
  item.diverging = *end;
  if (const auto offsets = item.partition->offsets_of_log()) item.result.offsets = *offsets;
  item.result.read = {};
  return ErrorCode::none;
}

ErrorCode FetchOperation::redirect(FetchItem& item) const {
  if (limits_.rack.empty() || item.partition->leader() != services_.broker->self) return ErrorCode::none;
  const Result<replication::PartitionOffsets> offsets = item.partition->offsets(item.target.current_epoch);
  if (!offsets) return to_error_code(offsets.error().code);
  item.preferred = select_replica(*services_.images->load(), services_.broker->self, limits_.rack, listener_,
                                  item.partition->replicas_with(item.target.offset));
  if (!item.is_redirected()) return ErrorCode::none;
  item.result.offsets = *offsets;
  item.result.read = {};
  return ErrorCode::none;
}

bool FetchOperation::is_complete() const {
  int64_t bytes = 0;
  for (const FetchItem& item : items_) {
    if (item.error != ErrorCode::none || item.is_diverging() || item.is_redirected()) return true;
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
