#include "broker/storage/record_walk.h"

#include <algorithm>
#include <string>

namespace millrace::storage {

namespace {

constexpr int kVarint32BytesMax = 5, kVarint64BytesMax = 10;

// A cursor over record bytes. Reading past the end or a number that does not end makes it bad, and stays so.
class Cursor {
 public:
  explicit Cursor(BytesView bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  int64_t zigzag(int bytes_max) {
    if (at_ < end_ && static_cast<uint8_t>(*at_) < 0x80) {  // nearly always
      const auto byte = static_cast<uint8_t>(*at_++);
      return static_cast<int64_t>(byte >> 1) ^ -static_cast<int64_t>(byte & 1);
    }
    uint64_t value = 0;
    for (int i = 0; i < bytes_max && at_ < end_; ++i) {
      const auto byte = static_cast<uint8_t>(*at_++);
      value |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
      if (byte < 0x80) return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
    }
    good_ = false;
    return 0;
  }
  int64_t zigzag32() { return zigzag(kVarint32BytesMax); }
  int64_t zigzag64() { return zigzag(kVarint64BytesMax); }
  void skip(int64_t size) {
    if (size < 0 || size > end_ - at_) {
      good_ = false;
      return;
    }
    at_ += size;
  }
  bool skip_nullable() {  // a length, -1 for null, and that many bytes; false: null
    const int64_t size = zigzag32();
    if (size != -1) skip(size);
    return size != -1;
  }
  bool good() const { return good_; }
  bool at_end() const { return at_ == end_; }
  const std::byte* position() const { return at_; }

 private:
  const std::byte* at_;
  const std::byte* end_;
  bool good_ = true;
};

struct Record {
  Timestamp timestamp_delta = 0;
  int64_t offset_delta = 0;
  bool has_key = false;
};

// Reads one record and steps behind it; the cursor turns bad when its lengths contradict each other.
Record read_record(Cursor& cursor) {
  const int64_t size = cursor.zigzag32();
  const std::byte* start = cursor.position();
  cursor.skip(1);  // attributes
  Record record{cursor.zigzag64(), cursor.zigzag32(), false};
  record.has_key = cursor.skip_nullable();
  cursor.skip_nullable();  // value
  const int64_t headers = cursor.zigzag32();
  if (headers < 0) cursor.skip(-1);
  for (int64_t i = 0; i < headers && cursor.good(); ++i) {
    cursor.skip(cursor.zigzag32());  // key
    cursor.skip_nullable();          // value
  }
  if (cursor.position() - start != size) cursor.skip(-1);
  return record;
}

Error broken(int32_t index) {
  return {Errc::invalid_record, "record " + std::to_string(index) + " of the batch is malformed"};
}

}  // namespace

Result<RecordFacts> walk_records(BytesView records, int32_t count, Timestamp base_timestamp) {
  Cursor cursor(records);
  RecordFacts facts;
  for (int32_t i = 0; i < count; ++i) {
    const Record record = read_record(cursor);
    if (!cursor.good()) return broken(i);
    if (record.offset_delta != i) {
      return Error{Errc::invalid_record, "record " + std::to_string(i) + " of the batch has offset delta " +
                                             std::to_string(record.offset_delta)};
    }
    facts.keyless += !record.has_key;
    Timestamp timestamp;
    if (__builtin_add_overflow(base_timestamp, record.timestamp_delta, &timestamp)) return broken(i);
    facts.timestamp_min = i == 0 ? timestamp : std::min(facts.timestamp_min, timestamp);
    facts.timestamp_max = i == 0 ? timestamp : std::max(facts.timestamp_max, timestamp);
  }
  if (!cursor.at_end()) return Error{Errc::invalid_record, "bytes follow the last record of the batch"};
  facts.count = count;
  return facts;
}

Result<std::optional<RecordAt>> find_record(BytesView records, int32_t count, Timestamp base_timestamp, Timestamp time,
                                            int32_t delta_min) {
  Cursor cursor(records);
  for (int32_t i = 0; i < count; ++i) {
    const Record record = read_record(cursor);
    if (!cursor.good()) return broken(i);
    const Timestamp timestamp = base_timestamp + record.timestamp_delta;
    if (timestamp >= time && record.offset_delta >= delta_min) {
      return std::optional(RecordAt{static_cast<int32_t>(record.offset_delta), timestamp});
    }
  }
  return std::optional<RecordAt>();
}

}  // namespace millrace::storage
