#include "broker/metadata/records.h"

#include "broker/metadata/record_fields.h"

namespace millrace::metadata {
namespace {

// The newest version of a type.
template <class Record>
constexpr int16_t version_of() {
  if constexpr (requires { Record::kVersion; }) {
    return Record::kVersion;
  } else {
    return 0;
  }
}

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
  out.number(state.isr_since_ms);
  write(out, state.elr.get());
  write(out, state.last_known_elr.get());
  write(out, state.adding.get());
  write(out, state.removing.get());
}
void write(FieldWriter& out, const RpcEndpoint& endpoint) {
  out.text(endpoint.host);
  out.number(endpoint.port);
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
  write(out, record.rpc);
  out.number(static_cast<uint32_t>(record.features.size()));
  for (const auto& [name, range] : record.features) {
    out.text(name);
    out.number(range.min);
    out.number(range.max);
  }
  out.flag(record.in_controlled_shutdown);
  out.number(record.state_since_ms);
  out.number(static_cast<uint32_t>(record.former_incarnations.size()));
  for (const Uuid& incarnation : record.former_incarnations) out.uuid(incarnation);
}
void write(FieldWriter& out, const UnregisterBrokerRecord& record) { out.number(record.id.value()); }
void write(FieldWriter& out, const FenceBrokerRecord& record) {
  out.number(record.id.value());
  out.flag(record.fenced);
  out.flag(record.in_controlled_shutdown);
  out.number(record.state_since_ms);
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
void write(FieldWriter& out, const StopPermitRecord& record) {
  out.number(record.id.value());
  out.text(record.permit.holder);
  out.number(record.permit.granted_ms);
  out.number(record.permit.expires_ms);
}
void write(FieldWriter& out, const StopPermitEndRecord& record) { out.number(record.id.value()); }
void write(FieldWriter& out, const VotersRecord& record) {
  out.number(static_cast<uint32_t>(record.voters.size()));
  for (const VoterImage& voter : record.voters) {
    out.number(voter.id.value());
    out.uuid(voter.directory_id);
    write(out, voter.rpc);
  }
}
void write(FieldWriter& out, const DecommissionRecord& record) {
  out.number(record.id.value());
  out.number(record.since_ms);
  out.number(record.moves_max);
}
void write(FieldWriter& out, const MinInsyncChangedRecord& record) { out.uuid(record.topic); }

// ---- reading
void read(FieldReader& in, std::vector<BrokerId>& brokers) {
  const uint32_t count = in.count(sizeof(int32_t));
  brokers.reserve(count);
  for (uint32_t i = 0; i < count; ++i) brokers.emplace_back(in.number<int32_t>());
}
void read(FieldReader& in, RareBrokers& brokers) {
  std::vector<BrokerId> ids;
  read(in, ids);
  brokers = std::move(ids);
}
void read(FieldReader& in, RpcEndpoint& endpoint) {
  endpoint.host = in.text();
  endpoint.port = in.number<uint16_t>();
}
void read(FieldReader& in, PartitionImage& state, int16_t version) {
  state.leader = BrokerId{in.number<int32_t>()};
  state.leader_epoch = LeaderEpoch{in.number<int32_t>()};
  state.partition_epoch = in.number<int32_t>();
  read(in, state.replicas);
  read(in, state.isr);
  if (version == 0) return;
  state.isr_since_ms = in.number<int64_t>();
  read(in, state.elr);
  read(in, state.last_known_elr);
  read(in, state.adding);
  read(in, state.removing);
}
void read(FieldReader& in, ClusterRecord& record) { record.cluster_id = in.text(); }
void read(FieldReader& in, FeatureRecord& record) {
  record.name = in.text();
  record.level = in.number<int16_t>();
}
void read_since_1(FieldReader& in, RegisterBrokerRecord& record) {
  read(in, record.rpc);
  const uint32_t features = in.count(sizeof(uint32_t) + 2 * sizeof(int16_t));
  for (uint32_t i = 0; i < features; ++i) {
    std::string name = in.text();
    FeatureRange range;
    range.min = in.number<int16_t>();
    range.max = in.number<int16_t>();
    record.features.emplace(std::move(name), range);
  }
  record.in_controlled_shutdown = in.flag();
  record.state_since_ms = in.number<int64_t>();
  const uint32_t former = in.count(sizeof(Uuid));
  record.former_incarnations.reserve(former);
  for (uint32_t i = 0; i < former; ++i) record.former_incarnations.push_back(in.uuid());
}
void read(FieldReader& in, RegisterBrokerRecord& record, int16_t version) {
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
  if (version > 0) read_since_1(in, record);
}
void read(FieldReader& in, UnregisterBrokerRecord& record) { record.id = BrokerId{in.number<int32_t>()}; }
void read(FieldReader& in, FenceBrokerRecord& record, int16_t version) {
  record.id = BrokerId{in.number<int32_t>()};
  record.fenced = in.flag();
  if (version == 0) return;
  record.in_controlled_shutdown = in.flag();
  record.state_since_ms = in.number<int64_t>();
}
void read(FieldReader& in, TopicRecord& record) {
  record.id = in.uuid();
  record.name = in.text();
}
template <class Partition>
void read_partition(FieldReader& in, Partition& record, int16_t version) {
  record.topic = in.uuid();
  record.index = PartitionIndex{in.number<int32_t>()};
  read(in, record.state, version);
}
void read(FieldReader& in, PartitionRecord& record, int16_t version) { read_partition(in, record, version); }
void read(FieldReader& in, PartitionChangeRecord& record, int16_t version) { read_partition(in, record, version); }
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
void read(FieldReader& in, StopPermitRecord& record) {
  record.id = BrokerId{in.number<int32_t>()};
  record.permit.holder = in.text();
  record.permit.granted_ms = in.number<int64_t>();
  record.permit.expires_ms = in.number<int64_t>();
}
void read(FieldReader& in, StopPermitEndRecord& record) { record.id = BrokerId{in.number<int32_t>()}; }
void read(FieldReader& in, VotersRecord& record) {
  const uint32_t count = in.count(sizeof(int32_t) + sizeof(Uuid) + sizeof(uint32_t) + sizeof(uint16_t));
  record.voters.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    VoterImage voter;
    voter.id = BrokerId{in.number<int32_t>()};
    voter.directory_id = in.uuid();
    read(in, voter.rpc);
    record.voters.push_back(std::move(voter));
  }
}
void read(FieldReader& in, DecommissionRecord& record) {
  record.id = BrokerId{in.number<int32_t>()};
  record.since_ms = in.number<int64_t>();
  record.moves_max = in.number<int32_t>();
}
void read(FieldReader& in, MinInsyncChangedRecord& record) { record.topic = in.uuid(); }

// The alternative of the variant whose kType is `type`, read from `in`.
template <size_t index = 0>
Result<MetadataRecord> read_type(int16_t type, int16_t version, FieldReader& in) {
  if constexpr (index == std::variant_size_v<MetadataRecord>) {
    return Error{Errc::unsupported_version, "metadata record of type " + std::to_string(type)};
  } else {
    using Record = std::variant_alternative_t<index, MetadataRecord>;
    if (type != Record::kType) return read_type<index + 1>(type, version, in);
    if (version < 0 || version > version_of<Record>()) {
      return Error{Errc::unsupported_version,
                   "metadata record of type " + std::to_string(type) + " in version " + std::to_string(version)};
    }
    Record record;
    if constexpr (version_of<Record>() == 0) {
      read(in, record);
    } else {
      read(in, record, version);
    }
    return MetadataRecord(std::move(record));
  }
}

}  // namespace

Bytes encode(const MetadataRecord& record) {
  FieldWriter out;
  std::visit(
      [&](const auto& each) {
        out.number(each.kType);
        out.number(version_of<std::remove_cvref_t<decltype(each)>>());
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
  TRY_ASSIGN(MetadataRecord record, read_type(type, version, in));
  if (!in.ok() || !in.at_end()) return Error{Errc::malformed, "metadata record of type " + std::to_string(type)};
  return record;
}

}  // namespace millrace::metadata
