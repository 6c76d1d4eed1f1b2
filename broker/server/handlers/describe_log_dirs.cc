// DescribeLogDirs (35): what lies in the data directory, and how full its volume is.

#include "broker/protocol/messages/describe_log_dirs.h"

#include <map>
#include <set>
#include <utility>

#include "broker/replication/partition_manager.h"
#include "broker/server/error_map.h"
#include "broker/server/handlers/handlers.h"
#include "broker/server/services.h"

namespace millrace::server::handlers {

namespace {

using protocol::DescribeLogDirsRequest;
using protocol::DescribeLogDirsResponse;

void handle_describe_log_dirs(Services& services, RequestContext, DescribeLogDirsRequest request,
                              Reply<DescribeLogDirsResponse> reply) {
  std::set<std::pair<std::string, int32_t>> asked;
  if (request.topics) {
    for (const auto& topic : *request.topics) {
      for (const int32_t partition : topic.partitions) asked.emplace(topic.topic, partition);
    }
  }
  DescribeLogDirsResponse response;
  auto& directory = response.results.emplace_back();
  directory.log_dir = services.partitions->directory().path();
  if (const Result<io::DiskSpace> space = services.partitions->disk_space(); space) {
    directory.total_bytes = static_cast<int64_t>(space->total_bytes);
    directory.usable_bytes = static_cast<int64_t>(space->usable_bytes);
  } else {
    directory.error_code = protocol::wire(protocol::ErrorCode::kafka_storage_error);
  }
  for (const auto& partition : services.partitions->all()) {  // sorted by topic
    const replication::TopicPartition& id = partition->id();
    if (request.topics && !asked.contains({id.topic, id.partition.value()})) continue;
    const Result<replication::PartitionOffsets> offsets = partition->offsets_of_log();
    if (!offsets) continue;  // deleted meanwhile
    if (directory.topics.empty() || directory.topics.back().name != id.topic) {
      directory.topics.emplace_back().name = id.topic;
    }
    auto& answer = directory.topics.back().partitions.emplace_back();
    answer.partition_index = id.partition.value();
    answer.partition_size = static_cast<int64_t>(partition->size_bytes());
    answer.offset_lag = offsets->log_end.value() - offsets->high_watermark.value();
  }
  reply.send(response);
}

}  // namespace

void run_describe_log_dirs(RawRequest request) { run_typed<&handle_describe_log_dirs>(std::move(request)); }

}  // namespace millrace::server::handlers
