#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/endian.h"
#include "broker/base/ensure.h"
#include "broker/base/output_chain.h"
#include "broker/base/uuid.h"
#include "broker/protocol/records.h"

namespace millrace::protocol {

// Encodes Kafka's primitive types into one growing block; record data is added to the chain as it is, without a copy,
// between slices of the block. Not thread-safe.
class Writer {
 public:
  size_t size() const { return used_ + by_reference_bytes_; }
  OutputChain take();  // all that was written; the writer is empty afterwards
  Bytes take_bytes();  // the same as one block; ENSUREs that no record data was added by reference
  // Overwrites an int32 written before, `position` bytes from the start, record data not counted.
  void patch_int32(size_t position, int32_t value);

  void boolean(bool value) { int8(value ? 1 : 0); }
  void int8(int8_t value) { *extend(1) = static_cast<std::byte>(value); }
  void int16(int16_t value) { fixed(value); }
  void uint16(uint16_t value) { fixed(value); }
  void int32(int32_t value) { fixed(value); }
  void uint32(uint32_t value) { fixed(value); }
  void int64(int64_t value) { fixed(value); }
  void float64(double value);
  void uuid(const Uuid& value) { raw(BytesView(value.bytes)); }
  void unsigned_varint(uint32_t value);
  void varint(int32_t value);
  void varlong(int64_t value);
  void raw(BytesView bytes) {
    if (!bytes.empty()) std::memcpy(extend(bytes.size()), bytes.data(), bytes.size());
  }

  // Cut at 32767 bytes, Kafka's limit: error texts that quote what a client sent may be longer.
  void string(std::string_view value, bool compact);
  void nullable_string(const std::optional<std::string>& value, bool compact);
  void bytes(const Bytes& value, bool compact);
  void nullable_bytes(const std::optional<Bytes>& value, bool compact);
  void records(const Records& value, bool compact);
  void array_count(size_t count, bool compact);
  void null_array(bool compact);
  void no_tags() { int8(0); }
  // A tagged field's number, size and content, which another Writer holds.
  void tagged(uint32_t tag, Writer& content);

 private:
  static constexpr size_t kFirstBlockBytes = 256;
  static constexpr size_t kInlineRecordsMax = 512;  // smaller record data is copied: a piece of its own costs more

  struct ByReference {
    size_t at;  // bytes of the block before it
    OutputChain::Piece piece;
  };

  template <class Int>
  void fixed(Int value) {
    store_big_endian(extend(sizeof(Int)), value);
  }
  std::byte* extend(size_t bytes) {
    if (bytes > block_.size() - used_) grow(bytes);
    std::byte* at = block_.mutable_data() + used_;
    used_ += bytes;
    return at;
  }
  void grow(size_t bytes);
  void refer_to(OutputChain::Piece piece);

  Bytes block_;
  size_t used_ = 0;
  size_t by_reference_bytes_ = 0;
  std::vector<ByReference> by_reference_;
};

inline void write_element(Writer& writer, bool, int8_t value) { writer.int8(value); }
inline void write_element(Writer& writer, bool, int16_t value) { writer.int16(value); }
inline void write_element(Writer& writer, bool, int32_t value) { writer.int32(value); }
inline void write_element(Writer& writer, bool, int64_t value) { writer.int64(value); }
inline void write_element(Writer& writer, bool compact, const std::string& value) { writer.string(value, compact); }
inline void write_element(Writer& writer, bool compact, const Bytes& value) { writer.bytes(value, compact); }
inline void write_element(Writer& writer, bool, const Uuid& value) { writer.uuid(value); }

template <class T>
void write_array(Writer& writer, bool compact, const std::vector<T>& values) {
  writer.array_count(values.size(), compact);
  for (const T& value : values) write_element(writer, compact, value);
}
template <class T>
void write_array(Writer& writer, bool compact, const std::optional<std::vector<T>>& values) {
  values ? write_array(writer, compact, *values) : writer.null_array(compact);
}
template <class T>
void write_struct_array(Writer& writer, bool compact, int16_t version, const std::vector<T>& values) {
  writer.array_count(values.size(), compact);
  for (const T& value : values) value.encode(writer, version);
}
template <class T>
void write_struct_array(Writer& writer, bool compact, int16_t version, const std::optional<std::vector<T>>& values) {
  values ? write_struct_array(writer, compact, version, *values) : writer.null_array(compact);
}

}  // namespace millrace::protocol
