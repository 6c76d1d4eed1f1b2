#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/bytes.h"

namespace millrace::coordinator {

// Reads the big-endian primitives of group records and subscriptions. After the first read past the end, or of a
// length that cannot be, ok() is false and every read answers zero or empty.
class WireReader {
 public:
  explicit WireReader(BytesView bytes, bool flexible = false) : rest_(bytes), flexible_(flexible) {}

  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }
  size_t remaining() const { return rest_.size(); }
  int16_t int16() { return static_cast<int16_t>(integer(2)); }
  int32_t int32() { return static_cast<int32_t>(integer(4)); }
  int64_t int64() { return static_cast<int64_t>(integer(8)); }
  std::string string() { return nullable_string().value_or(std::string()); }
  std::optional<std::string> nullable_string();
  Bytes bytes();
  int32_t array_size();  // checked against what is left; -1: null
  void skip_tags();      // of a flexible struct; nothing otherwise

 private:
  uint64_t integer(size_t size);
  uint64_t varint();
  BytesView take(size_t size);
  int64_t length(bool is_string);

  BytesView rest_;
  bool flexible_;
  bool ok_ = true;
};

// Writes them. Only the non-flexible formats are written.
class WireWriter {
 public:
  void int16(int16_t value) { integer(static_cast<uint64_t>(value), 2); }
  void int32(int32_t value) { integer(static_cast<uint64_t>(value), 4); }
  void int64(int64_t value) { integer(static_cast<uint64_t>(value), 8); }
  void string(std::string_view text);  // of at most 32767 bytes
  void nullable_string(const std::optional<std::string>& text);
  void bytes(BytesView bytes);
  Bytes take() { return Bytes::adopt(std::move(out_)); }

 private:
  void integer(uint64_t value, size_t size);
  std::vector<std::byte> out_;
};

}  // namespace millrace::coordinator
