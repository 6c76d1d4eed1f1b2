#include "broker/coordinator/records.h"

#include "broker/protocol/messages/group_coordinator_records.h"
#include "broker/protocol/reader.h"
#include "broker/protocol/writer.h"

namespace millrace::coordinator {
namespace {

constexpr int16_t kOffsetKey = 1;
constexpr int16_t kGroupKey = 2;
constexpr int16_t kOffsetValueWithExpiry = 1;
constexpr int16_t kOffsetValue = 3;
constexpr int16_t kGroupValue = 3;

template <class Message>
Bytes prefixed(int16_t prefix, const Message& message, int16_t version) {
  protocol::Writer writer;
  writer.int16(prefix);
  message.encode(writer, version);
  return writer.take_bytes();
}

Bytes offset_key(const std::string& group, const std::string& topic, PartitionIndex partition) {
  protocol::OffsetCommitKey key;
  key.group = group;
  key.topic = topic;
  key.partition = partition.value();
  return prefixed(kOffsetKey, key, 0);
}

Bytes group_key(const std::string& group) {
  protocol::GroupMetadataKey key;
  key.group = group;
  return prefixed(kGroupKey, key, 0);
}

// Reads int16 version and the message, all of it.
template <class Message>
Result<Message> read_value(const Bytes& bytes, const char* what) {
  protocol::Reader prefix(bytes);
  const int16_t version = prefix.int16();
  if (!prefix.ok()) return Error{Errc::malformed, what};
  if (version < Message::kMinVersion || version > Message::kMaxVersion) return Error{Errc::unsupported_version, what};
  return Message::decode(bytes.slice(sizeof(int16_t), bytes.size() - sizeof(int16_t)), version);
}

Result<CommittedOffset> read_offset(const Bytes& bytes) {
  TRY_ASSIGN(protocol::OffsetCommitValue value, read_value<protocol::OffsetCommitValue>(bytes, "offset value"));
  CommittedOffset offset;
  offset.offset = Offset{value.offset};
  offset.leader_epoch = LeaderEpoch{value.leader_epoch};
  offset.metadata = std::move(value.metadata);
  offset.committed_at = value.commit_timestamp;
  if (value.expire_timestamp != kNoTimestamp) offset.expires_at = value.expire_timestamp;
  return offset;
}

Result<Group> read_group(std::string id, const Bytes& bytes) {
  TRY_ASSIGN(protocol::GroupMetadataValue value, read_value<protocol::GroupMetadataValue>(bytes, "group value"));
  Group group;
  group.id = std::move(id);
  if (!value.protocol_type.empty()) group.protocol_type = std::move(value.protocol_type);
  group.generation = Generation{value.generation};
  group.protocol = std::move(value.protocol);
  group.leader = std::move(value.leader);
  group.phase_since = value.current_state_timestamp;
  for (protocol::GroupMetadataValue::MemberMetadata& source : value.members) {
    auto member = std::make_shared<Member>();
    member->id = std::move(source.member_id);
    member->instance_id = std::move(source.group_instance_id);
    member->client_id = std::move(source.client_id);
    member->client_host = std::move(source.client_host);
    member->session_timeout_ms = source.session_timeout;
    // Version 0 has none.
    member->rebalance_timeout_ms = source.rebalance_timeout < 0 ? source.session_timeout : source.rebalance_timeout;
    // Copies: slices would keep the batch that they were read from.
    if (group.protocol) member->protocols.push_back({*group.protocol, Bytes::copy_of(source.subscription.view())});
    member->assignment = Bytes::copy_of(source.assignment.view());
    member->is_new = false;
    if (member->instance_id) group.instances[*member->instance_id] = member->id;
    const std::string name = member->id;
    group.members[name] = std::move(member);
  }
  group.phase = group.members.empty() ? GroupPhase::empty : GroupPhase::stable;
  return group;
}

}  // namespace

machine::Record offset_record(const std::string& group, const std::string& topic, PartitionIndex partition,
                              const CommittedOffset& offset) {
  protocol::OffsetCommitValue value;
  value.offset = offset.offset.value();
  value.leader_epoch = offset.leader_epoch.value();
  value.metadata = offset.metadata;
  value.commit_timestamp = offset.committed_at;
  value.expire_timestamp = offset.expires_at.value_or(kNoTimestamp);
  const int16_t version = offset.expires_at ? kOffsetValueWithExpiry : kOffsetValue;
  return {.key = offset_key(group, topic, partition), .value = prefixed(version, value, version)};
}

machine::Record offset_tombstone(const std::string& group, const std::string& topic, PartitionIndex partition) {
  return {.key = offset_key(group, topic, partition), .value = std::nullopt};
}

machine::Record group_record(const Group& group) {
  protocol::GroupMetadataValue value;
  value.protocol_type = group.protocol_type.value_or("");
  value.generation = group.generation.value();
  value.protocol = group.protocol;
  value.leader = group.leader;
  value.current_state_timestamp = group.phase_since;
  for (const auto& [id, member] : group.members) {
    protocol::GroupMetadataValue::MemberMetadata& to = value.members.emplace_back();
    to.member_id = member->id;
    to.group_instance_id = member->instance_id;
    to.client_id = member->client_id;
    to.client_host = member->client_host;
    to.rebalance_timeout = member->rebalance_timeout_ms;
    to.session_timeout = member->session_timeout_ms;
    const Bytes* metadata = group.protocol ? member->metadata(*group.protocol) : nullptr;
    if (metadata != nullptr) to.subscription = *metadata;
    to.assignment = member->assignment;
  }
  return {.key = group_key(group.id), .value = prefixed(kGroupValue, value, kGroupValue)};
}

machine::Record group_tombstone(const std::string& group) { return {.key = group_key(group), .value = std::nullopt}; }

Result<GroupLogRecord> read_record(const machine::Record& record) {
  if (!record.key) return Error{Errc::malformed, "group record without a key"};
  protocol::Reader prefix(*record.key);
  const int16_t type = prefix.int16();
  if (!prefix.ok()) return Error{Errc::malformed, "key of a group record"};
  if (type < 0 || type > kGroupKey) return GroupLogRecord(OtherRecord{type});
  const Bytes body = record.key->slice(sizeof(int16_t), record.key->size() - sizeof(int16_t));
  if (type == kGroupKey) {
    TRY_ASSIGN(protocol::GroupMetadataKey key, protocol::GroupMetadataKey::decode(body, 0));
    GroupRecord group{.group = std::move(key.group), .value = std::nullopt};
    if (record.value) {
      TRY_ASSIGN(group.value, read_group(group.group, *record.value));
    }
    return GroupLogRecord(std::move(group));
  }
  TRY_ASSIGN(protocol::OffsetCommitKey key, protocol::OffsetCommitKey::decode(body, 0));
  OffsetRecord offset{std::move(key.group), std::move(key.topic), PartitionIndex{key.partition}, std::nullopt};
  if (record.value) {
    TRY_ASSIGN(offset.value, read_offset(*record.value));
  }
  return GroupLogRecord(std::move(offset));
}

}  // namespace millrace::coordinator
