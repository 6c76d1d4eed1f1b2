#include "broker/coordinator/records.h"

#include "broker/coordinator/wire_format.h"

namespace millrace::coordinator {
namespace {

constexpr int16_t kOffsetKey = 1;
constexpr int16_t kGroupKey = 2;
constexpr int16_t kOffsetValueWithExpiry = 1;
constexpr int16_t kOffsetValue = 3;
constexpr int16_t kGroupValue = 3;
constexpr int16_t kValueMax = 4;       // newest version that is read, of both
constexpr int16_t kFlexibleSince = 4;  // of both

Bytes offset_key(const std::string& group, const std::string& topic, PartitionIndex partition) {
  WireWriter writer;
  writer.int16(kOffsetKey);
  writer.string(group);
  writer.string(topic);
  writer.int32(partition.value());
  return writer.take();
}

Bytes group_key(const std::string& group) {
  WireWriter writer;
  writer.int16(kGroupKey);
  writer.string(group);
  return writer.take();
}

Result<CommittedOffset> read_offset(BytesView bytes) {
  WireReader prefix(bytes);
  const int16_t version = prefix.int16();
  if (!prefix.ok()) return Error{Errc::malformed, "offset value"};
  if (version < 0 || version > kValueMax) return Error{Errc::unsupported_version, "offset value"};
  WireReader reader(bytes.subspan(sizeof(int16_t)), version >= kFlexibleSince);
  CommittedOffset offset;
  offset.offset = Offset{reader.int64()};
  if (version >= 3) offset.leader_epoch = LeaderEpoch{reader.int32()};
  offset.metadata = reader.string();
  offset.committed_at = reader.int64();
  if (version == kOffsetValueWithExpiry) {
    const Timestamp expires_at = reader.int64();
    if (expires_at != kNoTimestamp) offset.expires_at = expires_at;
  }
  reader.skip_tags();
  if (!reader.ok() || !reader.at_end()) return Error{Errc::malformed, "offset value"};
  return offset;
}

Result<MemberPointer> read_member(WireReader& reader, int16_t version, const std::optional<std::string>& protocol) {
  auto member = std::make_shared<Member>();
  member->id = reader.string();
  if (version >= 3) member->instance_id = reader.nullable_string();
  member->client_id = reader.string();
  member->client_host = reader.string();
  if (version >= 1) member->rebalance_timeout_ms = reader.int32();
  member->session_timeout_ms = reader.int32();
  if (version < 1) member->rebalance_timeout_ms = member->session_timeout_ms;
  Bytes subscription = reader.bytes();
  if (protocol) member->protocols.push_back(JoinProtocol{*protocol, std::move(subscription)});
  member->assignment = reader.bytes();
  member->is_new = false;
  reader.skip_tags();
  if (!reader.ok()) return Error{Errc::malformed, "group member"};
  return MemberPointer(std::move(member));
}

Result<Group> read_group(std::string id, BytesView bytes) {
  WireReader prefix(bytes);
  const int16_t version = prefix.int16();
  if (!prefix.ok()) return Error{Errc::malformed, "group value"};
  if (version < 0 || version > kValueMax) return Error{Errc::unsupported_version, "group value"};
  WireReader reader(bytes.subspan(sizeof(int16_t)), version >= kFlexibleSince);
  Group group;
  group.id = std::move(id);
  if (std::string type = reader.string(); !type.empty()) group.protocol_type = std::move(type);
  group.generation = Generation{reader.int32()};
  group.protocol = reader.nullable_string();
  group.leader = reader.nullable_string();
  if (version >= 2) group.phase_since = reader.int64();
  const int32_t count = reader.array_size();
  for (int32_t i = 0; i < count; ++i) {
    TRY_ASSIGN(MemberPointer member, read_member(reader, version, group.protocol));
    if (member->instance_id) group.instances[*member->instance_id] = member->id;
    group.members[member->id] = std::move(member);
  }
  reader.skip_tags();
  if (!reader.ok() || !reader.at_end()) return Error{Errc::malformed, "group value"};
  group.phase = group.members.empty() ? GroupPhase::empty : GroupPhase::stable;
  return group;
}

}  // namespace

machine::Record offset_record(const std::string& group, const std::string& topic, PartitionIndex partition,
                              const CommittedOffset& offset) {
  WireWriter writer;
  if (offset.expires_at) {
    writer.int16(kOffsetValueWithExpiry);
    writer.int64(offset.offset.value());
  } else {
    writer.int16(kOffsetValue);
    writer.int64(offset.offset.value());
    writer.int32(offset.leader_epoch.value());
  }
  writer.string(offset.metadata);
  writer.int64(offset.committed_at);
  if (offset.expires_at) writer.int64(*offset.expires_at);
  return {.key = offset_key(group, topic, partition), .value = writer.take()};
}

machine::Record offset_tombstone(const std::string& group, const std::string& topic, PartitionIndex partition) {
  return {.key = offset_key(group, topic, partition), .value = std::nullopt};
}

machine::Record group_record(const Group& group) {
  WireWriter writer;
  writer.int16(kGroupValue);
  writer.string(group.protocol_type.value_or(""));
  writer.int32(group.generation.value());
  writer.nullable_string(group.protocol);
  writer.nullable_string(group.leader);
  writer.int64(group.phase_since);
  writer.int32(static_cast<int32_t>(group.members.size()));
  for (const auto& [id, member] : group.members) {
    writer.string(member->id);
    writer.nullable_string(member->instance_id);
    writer.string(member->client_id);
    writer.string(member->client_host);
    writer.int32(member->rebalance_timeout_ms);
    writer.int32(member->session_timeout_ms);
    const Bytes* metadata = group.protocol ? member->metadata(*group.protocol) : nullptr;
    writer.bytes(metadata != nullptr ? metadata->view() : BytesView());
    writer.bytes(member->assignment.view());
  }
  return {.key = group_key(group.id), .value = writer.take()};
}

machine::Record group_tombstone(const std::string& group) { return {.key = group_key(group), .value = std::nullopt}; }

Result<GroupLogRecord> read_record(const machine::Record& record) {
  if (!record.key) return Error{Errc::malformed, "group record without a key"};
  WireReader key(record.key->view());
  const int16_t type = key.int16();
  if (!key.ok()) return Error{Errc::malformed, "key of a group record"};
  if (type < 0 || type > kGroupKey) return GroupLogRecord(OtherRecord{type});
  if (type == kGroupKey) {
    GroupRecord group{.group = key.string(), .value = std::nullopt};
    if (!key.ok() || !key.at_end()) return Error{Errc::malformed, "key of a group"};
    if (record.value) {
      TRY_ASSIGN(group.value, read_group(group.group, record.value->view()));
    }
    return GroupLogRecord(std::move(group));
  }
  OffsetRecord offset;
  offset.group = key.string();
  offset.topic = key.string();
  offset.partition = PartitionIndex{key.int32()};
  if (!key.ok() || !key.at_end()) return Error{Errc::malformed, "key of an offset"};
  if (record.value) {
    TRY_ASSIGN(offset.value, read_offset(record.value->view()));
  }
  return GroupLogRecord(std::move(offset));
}

}  // namespace millrace::coordinator
