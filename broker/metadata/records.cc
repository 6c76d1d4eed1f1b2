#include "broker/metadata/records.h"

#include "broker/metadata/record_fields.h"

namespace millrace::metadata {
namespace {

constexpr int16_t kVersion = 0;  // of every type so far

// ---- writing
void write(FieldWriter& out, const std::vector<BrokerId>& brokers) {
  out.number(static_cast<uint32_t>(brokers.size()));
  for (const BrokerId broker : brokers) out.number(broker.value());
}
void write(FieldWriter& out, const PartitionImage& state) {
  out.number(state.leader.value());
  out.number(state.leader_epoch.value());
  out.number(state.partition_epoch);
  write(out, state.replicas);
  write(out, state.isr);
}
void write(FieldWriter& out, const ClusterRecord& record) { out.text(record.cluster_id); }
void write(FieldWriter& out, const FeatureRecord& record) {
  out.text(record.name);
  out.number(record.level);
}
void write(FieldWriter& out, const RegisterBrokerRecord& record) {
  out.number(record.id.value());
  out.number(record.epoch);
  out.uuid(record.incarnation);
  out.uuid(record.directory_id);
  out.text(record.rack);
  out.flag(record.fenced);
  out.number(static_cast<uint32_t>(record.listeners.size()));
  for (const ListenerEndpoint& endpoint : record.listeners) {
    out.text(endpoint.listener);
    out.text(endpoint.host);
    out.number(endpoint.port);
  }
}
void write(FieldWriter& out, const UnregisterBrokerRecord& record) { out.number(record.id.value()); }
void write(FieldWriter& out, const FenceBrokerRecord& record) {
  out.number(record.id.value());
  out.flag(record.fenced);
}
void write(FieldWriter& out, const TopicRecord& record) {
  out.uuid(record.id);
  out.text(record.name);
}
template <class Partition>
void write_partition(FieldWriter& out, const Partition& record) {
  out.uuid(record.topic);
  out.number(record.index.value());
  write(out, record.state);
}
void write(FieldWriter& out, const PartitionRecord& record) { write_partition(out, record); }
void write(FieldWriter& out, const PartitionChangeRecord& record) { write_partition(out, record); }
void write(FieldWriter& out, const RemoveTopicRecord& record) { out.uuid(record.id); }
void write(FieldWriter& out, const ConfigRecord& record) {
  out.number(record.resource_type);
  out.text(record.resource);
  out.text(record.name);
  out.flag(record.value.has_value());
  if (record.value) out.text(*record.value);
}
void write(FieldWriter& out, const ProducerIdsRecord& record) {
  out.number(record.broker.value());
  out.number(record.next);
}

// ---- reading
void read(FieldReader& in, std::vector<BrokerId>& brokers) {
  const uint32_t count = in.count(sizeof(int32_t));
  brokers.reserve(count);
  for (uint32_t i = 0; i < count; ++i) brokers.emplace_back(in.number<int32_t>());
}
void read(FieldReader& in, PartitionImage& state) {
  state.leader = BrokerId{in.number<int32_t>()};
  state.leader_epoch = LeaderEpoch{in.number<int32_t>()};
  state.partition_epoch = in.number<int32_t>();
  read(in, state.replicas);
  read(in, state.isr);
}
void read(FieldReader& in, ClusterRecord& record) { record.cluster_id = in.text(); }
void read(FieldReader& in, FeatureRecord& record) {
  record.name = in.text();
  record.level = in.number<int16_t>();
}
void read(FieldReader& in, RegisterBrokerRecord& record) {
  record.id = BrokerId{in.number<int32_t>()};
  record.epoch = in.number<int64_t>();
  record.incarnation = in.uuid();
  record.directory_id = in.uuid();
  record.rack = in.text();
  record.fenced = in.flag();
  const uint32_t count = in.count(2 * sizeof(uint32_t) + sizeof(uint16_t));
  record.listeners.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    ListenerEndpoint endpoint;
    endpoint.listener = in.text();
    endpoint.host = in.text();
    endpoint.port = in.number<uint16_t>();
    record.listeners.push_back(std::move(endpoint));
  }
}
void read(FieldReader& in, UnregisterBrokerRecord& record) { record.id = BrokerId{in.number<int32_t>()}; }
void read(FieldReader& in, FenceBrokerRecord& record) {
  record.id = BrokerId{in.number<int32_t>()};
  record.fenced = in.flag();
}
void read(FieldReader& in, TopicRecord& record) {
  record.id = in.uuid();
  record.name = in.text();
}
template <class Partition>
void read_partition(FieldReader& in, Partition& record) {
  record.topic = in.uuid();
  record.index = PartitionIndex{in.number<int32_t>()};
  read(in, record.state);
}
void read(FieldReader& in, PartitionRecord& record) { read_partition(in, record); }
void read(FieldReader& in, PartitionChangeRecord& record) { read_partition(in, record); }
void read(FieldReader& in, RemoveTopicRecord& record) { record.id = in.uuid(); }
void read(FieldReader& in, ConfigRecord& record) {
  record.resource_type = in.number<int8_t>();
  record.resource = in.text();
  record.name = in.text();
  if (in.flag()) record.value = in.text();
}
void read(FieldReader& in, ProducerIdsRecord& record) {
  record.broker = BrokerId{in.number<int32_t>()};
  record.next = in.number<int64_t>();
}

// The alternative of the variant whose kType is `type`, read from `in`.
template <size_t index = 0>
Result<MetadataRecord> read_type(int16_t type, FieldReader& in) {
  if constexpr (index == std::variant_size_v<MetadataRecord>) {
    return Error{Errc::unsupported_version, "metadata record of type " + std::to_string(type)};
  } else {
    using Record = std::variant_alternative_t<index, MetadataRecord>;
    if (type != Record::kType) return read_type<index + 1>(type, in);
    Record record;
    read(in, record);
    return MetadataRecord(std::move(record));
  }
}

}  // namespace

Bytes encode(const MetadataRecord& record) {
  FieldWriter out;
  std::visit(
      [&](const auto& each) {
        out.number(each.kType);
        out.number(kVersion);
        write(out, each);
      },
      record);
  return out.take();
}

Result<MetadataRecord> decode_record(BytesView bytes) {
  FieldReader in(bytes);
  const int16_t type = in.number<int16_t>();
  const int16_t version = in.number<int16_t>();
  if (!in.ok()) return Error{Errc::malformed, "metadata record of " + std::to_string(bytes.size()) + " bytes"};
  if (version != kVersion) {
    return Error{Errc::unsupported_version,
                 "metadata record of type " + std::to_string(type) + " in version " + std::to_string(version)};
  }
  TRY_ASSIGN(MetadataRecord record, read_type(type, in));
  if (!in.ok() || !in.at_end()) return Error{Errc::malformed, "metadata record of type " + std::to_string(type)};
  return record;
}

}  // namespace millrace::metadata
