#include "broker/storage/offset_index.h"

#include <array>

#include "broker/base/endian.h"

namespace millrace::storage {

OffsetIndex::Entry OffsetIndex::decode(const std::byte* at) const {
  return {base_.next(load_big_endian<int32_t>(at)), load_big_endian<uint32_t>(at + 4)};
}

Status OffsetIndex::append(Offset last_offset, uint64_t position) {
  std::array<std::byte, kEntryBytes> entry;
  store_big_endian(entry.data(), static_cast<int32_t>(last_offset.value() - base_.value()));
  store_big_endian(entry.data() + 4, static_cast<uint32_t>(position));
  return IndexFile::append(entry);
}

Result<std::optional<OffsetIndex::Entry>> OffsetIndex::at_end_of(uint64_t prefix) {
  if (prefix == 0) return std::optional<Entry>();
  std::array<std::byte, kEntryBytes> entry;
  TRY(read(prefix - 1, entry.data()));
  return std::optional(decode(entry.data()));
}

Result<std::optional<OffsetIndex::Entry>> OffsetIndex::find(Offset offset) {
  TRY_ASSIGN(const uint64_t prefix,
             partition_point([&](const std::byte* entry) { return decode(entry).last_offset <= offset; }));
  return at_end_of(prefix);
}

Result<std::optional<OffsetIndex::Entry>> OffsetIndex::find_position(uint64_t position) {
  TRY_ASSIGN(const uint64_t prefix,
             partition_point([&](const std::byte* entry) { return decode(entry).position <= position; }));
  return at_end_of(prefix);
}

Result<std::optional<OffsetIndex::Entry>> OffsetIndex::last() {
  TRY_ASSIGN(const uint64_t total, count());
  return at_end_of(total);
}

Status OffsetIndex::truncate_to(uint64_t position) {
  TRY_ASSIGN(const uint64_t prefix,
             partition_point([&](const std::byte* entry) { return decode(entry).position < position; }));
  return truncate(prefix);
}

TimeIndex::Entry TimeIndex::decode(const std::byte* at) const {
  return {load_big_endian<int64_t>(at), base_.next(load_big_endian<int32_t>(at + 8))};
}

Result<std::optional<TimeIndex::Entry>> TimeIndex::at_end_of(uint64_t prefix) {
  if (prefix == 0) return std::optional<Entry>();
  std::array<std::byte, kEntryBytes> entry;
  TRY(read(prefix - 1, entry.data()));
  return std::optional(decode(entry.data()));
}

Status TimeIndex::append(Timestamp timestamp, Offset offset) {
  TRY_ASSIGN(const auto newest, last());
  if (timestamp <= (newest ? newest->timestamp : kNoTimestamp)) return ok();
  std::array<std::byte, kEntryBytes> entry;
  store_big_endian(entry.data(), timestamp);
  store_big_endian(entry.data() + 8, static_cast<int32_t>(offset.value() - base_.value()));
  return IndexFile::append(entry);
}

Result<std::optional<TimeIndex::Entry>> TimeIndex::find(Timestamp time) {
  TRY_ASSIGN(const uint64_t prefix,
             partition_point([&](const std::byte* entry) { return decode(entry).timestamp <= time; }));
  return at_end_of(prefix);
}

Result<std::optional<TimeIndex::Entry>> TimeIndex::last() {
  TRY_ASSIGN(const uint64_t total, count());
  return at_end_of(total);
}

Status TimeIndex::truncate_to(Offset end) {
  TRY_ASSIGN(const uint64_t prefix,
             partition_point([&](const std::byte* entry) { return decode(entry).offset < end; }));
  return truncate(prefix);
}

}  // namespace millrace::storage
