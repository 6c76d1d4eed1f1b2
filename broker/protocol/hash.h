#pragma once

#include <cstdint>
#include <string_view>

#include "broker/base/bytes.h"

namespace millrace::protocol {

// Java's String.hashCode of UTF-8 text: over its UTF-16 units. Groups find their partition of __consumer_offsets with
// it.
int32_t java_string_hash(std::string_view utf8);

// |hash| mod partitions (the smallest hash counts as 0), as Kafka places groups and transactional ids.
int32_t coordinator_partition(std::string_view id, int32_t partitions);

// The 32-bit MurmurHash2 of Kafka's default partitioner.
int32_t murmur2(BytesView bytes);

}  // namespace millrace::protocol
