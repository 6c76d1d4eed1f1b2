#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "broker/base/result.h"
#include "broker/base/strong_id.h"

namespace millrace::storage {

// Offsets of partitions, by topic and partition, as Kafka's checkpoint files hold them: "0", the number of entries,
// then "topic partition offset" lines.
using OffsetCheckpoint = std::map<std::pair<std::string, PartitionIndex>, Offset>;

std::string format_offset_checkpoint(const OffsetCheckpoint& offsets);
// malformed, naming the line.
Result<OffsetCheckpoint> parse_offset_checkpoint(std::string_view text);

}  // namespace millrace::storage
