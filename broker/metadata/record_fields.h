#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/bytes.h"
#include "broker/base/endian.h"
#include "broker/base/result.h"
#include "broker/base/uuid.h"

namespace millrace::metadata {

// Writes the fields of one metadata record: big-endian numbers, uint32 lengths and counts.
class FieldWriter {
 public:
  template <std::integral Int>
  void number(Int value) {
    const size_t at = bytes_.size();
    bytes_.resize(at + sizeof value);
    store_big_endian(bytes_.data() + at, value);
  }
  void flag(bool value) { number<int8_t>(value ? 1 : 0); }
  void text(std::string_view value) {
    number(static_cast<uint32_t>(value.size()));
    const BytesView view = as_bytes(value);
    bytes_.insert(bytes_.end(), view.begin(), view.end());
  }
  void uuid(const Uuid& value) { bytes_.insert(bytes_.end(), value.bytes.begin(), value.bytes.end()); }
  Bytes take() { return Bytes::adopt(std::move(bytes_)); }

 private:
  std::vector<std::byte> bytes_;
};

// Reads them. Never reads beyond the record; after the first fault every read yields zero values and ok() is false.
// Counts are bounded by the bytes that are left, so nothing large is allocated for a lie.
class FieldReader {
 public:
  explicit FieldReader(BytesView bytes) : rest_(bytes) {}

  template <std::integral Int>
  Int number() {
    if (!take(sizeof(Int))) return Int{};
    return load_big_endian<Int>(taken_.data());
  }
  bool flag() {
    const int8_t value = number<int8_t>();
    if (value != 0 && value != 1) ok_ = false;
    return value == 1;
  }
  std::string text() {
    const uint32_t size = number<uint32_t>();
    if (!take(size)) return {};
    return std::string(as_text(taken_));
  }
  Uuid uuid() {
    Uuid value;
    if (take(value.bytes.size())) std::memcpy(value.bytes.data(), taken_.data(), value.bytes.size());
    return value;
  }
  // How many items follow, each of at least `item_bytes_min` bytes.
  uint32_t count(size_t item_bytes_min) {
    const uint32_t items = number<uint32_t>();
    if (items > rest_.size() / item_bytes_min) {
      ok_ = false;
      return 0;
    }
    return items;
  }
  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }

 private:
  bool take(size_t size) {
    if (!ok_ || size > rest_.size()) {
      ok_ = false;
      return false;
    }
    taken_ = rest_.first(size);
    rest_ = rest_.subspan(size);
    return true;
  }
  BytesView rest_;
  BytesView taken_;
  bool ok_ = true;
};

}  // namespace millrace::metadata
