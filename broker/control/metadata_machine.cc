#include "broker/control/metadata_machine.h"

#include <utility>

#include "broker/base/endian.h"

namespace millrace::control {
namespace {

void put_count(std::byte*& at, size_t count) {
  store_big_endian(at, static_cast<uint32_t>(count));
  at += sizeof(uint32_t);
}

Bytes encode_values(const std::vector<Bytes>& values, size_t head) {
  size_t size = head + sizeof(uint32_t);
  for (const Bytes& value : values) size += sizeof(uint32_t) + value.size();
  Bytes payload = Bytes::uninitialized(size);
  std::byte* at = payload.mutable_data() + head;
  put_count(at, values.size());
  for (const Bytes& value : values) {
    put_count(at, value.size());
    if (!value.empty()) std::memcpy(at, value.data(), value.size());
    at += value.size();
  }
  return payload;
}

}  // namespace

Bytes encode_payload(const std::vector<machine::Record>& records) {
  std::vector<Bytes> values;
  values.reserve(records.size());
  for (const machine::Record& record : records) {
    ENSURE(record.value && !record.key);
    values.push_back(*record.value);
  }
  return encode_values(values, 0);
}

Result<std::vector<Bytes>> decode_payload(const Bytes& payload) {
  const Error torn{Errc::malformed, "an entry of the metadata log"};
  size_t at = 0;
  const auto count = [&]() -> Result<uint32_t> {
    if (payload.size() - at < sizeof(uint32_t)) return torn;
    const auto value = load_big_endian<uint32_t>(payload.data() + at);
    at += sizeof(uint32_t);
    return value;
  };
  TRY_ASSIGN(const uint32_t records, count());
  if (records > payload.size() / sizeof(uint32_t)) return torn;
  std::vector<Bytes> values;
  values.reserve(records);
  for (uint32_t i = 0; i < records; ++i) {
    TRY_ASSIGN(const uint32_t size, count());
    if (size > payload.size() - at) return torn;
    values.push_back(payload.slice(at, size));
    at += size;
  }
  if (at != payload.size()) return torn;
  return values;
}

Status MetadataMachine::apply(const Bytes& payload) {
  TRY_ASSIGN(const std::vector<Bytes> values, decode_payload(payload));
  for (const Bytes& value : values) {
    if (const Status applied = builder_.apply_encoded(next(), value.view()); !applied) {
      return Error{applied.error().code,
                   "metadata record " + std::to_string(next().value()) + ": " + applied.error().context};
    }
  }
  changed_ = true;
  return ok();
}

void MetadataMachine::publish() {
  if (std::exchange(changed_, false)) images_.publish(builder_.image());
}

void MetadataMachine::set_controller(BrokerId leader) {
  if (builder_.current().controller == leader) return;
  builder_.set_controller(leader);
  changed_ = true;
}

Bytes MetadataMachine::encode_snapshot(const metadata::ClusterImage& image) {
  std::vector<Bytes> values;
  for (const metadata::MetadataRecord& record : metadata::snapshot_of(image)) values.push_back(encode(record));
  Bytes snapshot = encode_values(values, sizeof(int64_t));
  store_big_endian(snapshot.mutable_data(), image.applied.value());
  return snapshot;
}

Status MetadataMachine::load_snapshot(const Bytes& snapshot) {
  if (snapshot.size() < sizeof(int64_t)) return Error{Errc::malformed, "a metadata snapshot"};
  const Offset applied{load_big_endian<int64_t>(snapshot.data())};
  TRY_ASSIGN(const std::vector<Bytes> values,
             decode_payload(snapshot.slice(sizeof(int64_t), snapshot.size() - sizeof(int64_t))));
  metadata::ImageBuilder loaded;
  for (const Bytes& value : values) TRY(loaded.apply_encoded(applied, value.view()));
  const BrokerId controller = builder_.current().controller;
  builder_ = std::move(loaded);
  builder_.set_controller(controller);
  changed_ = true;
  publish();
  return ok();
}

}  // namespace millrace::control
