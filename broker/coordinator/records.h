#pragma once

#include <optional>
#include <string>
#include <variant>

#include "broker/base/result.h"
#include "broker/coordinator/group.h"
#include "broker/coordinator/offsets.h"
#include "broker/machine/record.h"

namespace millrace::coordinator {

// Records of __consumer_offsets in Kafka's own format, so that other tools read them.
//
//   key    int16 type (0, 1: offset; 2: group), then its fields
//   value  int16 version, then its fields; none: tombstone
//
// Offsets are written as key 1 with value 3 (value 1 when they carry an expiry of their own), groups as value 3. Values
// up to version 4 are read.
machine::Record offset_record(const std::string& group, const std::string& topic, PartitionIndex partition,
                              const CommittedOffset& offset);
machine::Record offset_tombstone(const std::string& group, const std::string& topic, PartitionIndex partition);
machine::Record group_record(const Group& group);  // its durable part; of protocols the chosen one
machine::Record group_tombstone(const std::string& group);

struct OffsetRecord {
  std::string group;
  std::string topic;
  PartitionIndex partition;
  std::optional<CommittedOffset> value;  // none: tombstone
};
struct GroupRecord {
  std::string group;
  std::optional<Group> value;  // none: tombstone
};
// A type that is not ours; its records are left alone.
struct OtherRecord {
  int16_t type = 0;
};
using GroupLogRecord = std::variant<OffsetRecord, GroupRecord, OtherRecord>;

// Errors: malformed; unsupported_version of a value.
Result<GroupLogRecord> read_record(const machine::Record& record);

}  // namespace millrace::coordinator
