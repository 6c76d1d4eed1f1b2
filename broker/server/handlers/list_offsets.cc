// ListOffsets (2): offsets by time, and the ends of partitions.

#include "broker/protocol/messages/list_offsets.h"

#include <set>
#include <utility>

#include "broker/server/error_map.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/handlers/partition_lookup.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {

namespace {

using protocol::ErrorCode;
using protocol::ListOffsetsRequest;
using protocol::ListOffsetsResponse;
using replication::Isolation;

// Timestamps that ask for something else than a time, and the first version that knows each.
enum class SpecialTime : int64_t {
  latest = -1,
  earliest = -2,
  max_timestamp = -3,            // KIP-734
  earliest_local = -4,           // KIP-405: without tiers the same as earliest
  latest_tiered = -5,            // KIP-1005: without tiers there is none
  earliest_pending_upload = -6,  // KIP-1023: likewise
};

bool is_known(int64_t timestamp, int16_t version) {
  if (timestamp >= 0) return true;
  switch (static_cast<SpecialTime>(timestamp)) {
    case SpecialTime::latest:
    case SpecialTime::earliest:
      return true;
    case SpecialTime::max_timestamp:
      return version >= 7;
    case SpecialTime::earliest_local:
      return version >= 8;
    case SpecialTime::latest_tiered:
      return version >= 9;
    case SpecialTime::earliest_pending_upload:
      return version >= 11;
  }
  return false;
}

using Offered = std::optional<storage::TimestampOffset>;
using Found = Result<Offered>;

Found find_offset(replication::Partition& partition, int64_t timestamp, Isolation isolation, LeaderEpoch expected) {
  if (timestamp >= 0) return partition.find_by_timestamp(timestamp, isolation, expected);
  TRY_ASSIGN(const replication::PartitionOffsets offsets, partition.offsets(expected));
  switch (static_cast<SpecialTime>(timestamp)) {
    case SpecialTime::latest: {
      const Offset end = isolation == Isolation::read_committed ? offsets.last_stable : offsets.high_watermark;
      return Offered(storage::TimestampOffset{.offset = end, .leader_epoch = partition.leader_epoch()});
    }
    case SpecialTime::earliest:
    case SpecialTime::earliest_local:
      return Offered(
          storage::TimestampOffset{.offset = offsets.log_start, .leader_epoch = partition.epoch_at(offsets.log_start)});
    case SpecialTime::max_timestamp:
      return partition.find_max_timestamp(isolation, expected);
    case SpecialTime::latest_tiered:
    case SpecialTime::earliest_pending_upload:
      break;
  }
  return Offered();
}

void handle_list_offsets(Services& services, RequestContext context, ListOffsetsRequest request,
                         Reply<ListOffsetsResponse> reply) {
  const Isolation isolation = request.isolation_level == 1 ? Isolation::read_committed : Isolation::read_uncommitted;
  std::set<std::pair<std::string_view, int32_t>> seen;
  std::set<std::pair<std::string_view, int32_t>> doubled;
  for (const auto& topic : request.topics) {
    for (const auto& partition : topic.partitions) {
      if (!seen.emplace(topic.name, partition.partition_index).second) {
        doubled.emplace(topic.name, partition.partition_index);
      }
    }
  }

  ListOffsetsResponse response;
  for (const auto& topic : request.topics) {
    auto& topic_answer = response.topics.emplace_back();
    topic_answer.name = topic.name;
    for (const auto& asked : topic.partitions) {
      auto& answer = topic_answer.partitions.emplace_back();
      answer.partition_index = asked.partition_index;
      if (doubled.contains({topic.name, asked.partition_index})) {
        answer.error_code = protocol::wire(ErrorCode::invalid_request);
        continue;
      }
      if (!is_known(asked.timestamp, context.version)) {
        answer.error_code = protocol::wire(ErrorCode::unsupported_version);
        continue;
      }
      const PartitionLookup found = find_partition(services, topic.name, {}, PartitionIndex{asked.partition_index});
      if (found.partition == nullptr) {
        answer.error_code = protocol::wire(found.error);
        continue;
      }
      const Found offset =
          find_offset(*found.partition, asked.timestamp, isolation, LeaderEpoch{asked.current_leader_epoch});
      if (!offset) {
        answer.error_code = protocol::wire(to_error_code(offset.error().code));
      } else if (offset->has_value()) {
        answer.timestamp = (*offset)->timestamp;
        answer.offset = (*offset)->offset.value();
        answer.leader_epoch = (*offset)->leader_epoch.value();
      }
    }
  }
  reply.send(response);
}

}  // namespace

void run_list_offsets(RawRequest request) { run_typed<&handle_list_offsets>(std::move(request)); }

}  // namespace millrace::server::handlers
