#pragma once

#include <cstdint>
#include <string_view>

#include "broker/base/strong_id.h"

namespace millrace::coordinator {

// Java's String.hashCode() of UTF-8 text: over UTF-16 units. Bytes that are no UTF-8 count as U+FFFD.
int32_t java_string_hash(std::string_view text);

// The partition of __consumer_offsets that keeps a group, of `partitions` (> 0) ones.
PartitionIndex partition_of_group(std::string_view group, int32_t partitions);

}  // namespace millrace::coordinator
