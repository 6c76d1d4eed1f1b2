#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/bytes.h"
#include "broker/base/endian.h"
#include "broker/base/result.h"
#include "broker/base/uuid.h"
#include "broker/protocol/records.h"

namespace millrace::protocol {

// Decodes Kafka's primitive types from a frame. The first thing that does not fit makes the reader fail for good: later
// reads give zeros and empty values, and status() says what was wrong, so that generated code needs no check per field.
// Every length and count is checked against what is left, and what the message takes decoded against its budget, before
// anything is allocated. `bytes` and `records` are slices of the frame and cost nothing. Not thread-safe.
class Reader {
 public:
  // Budget of the decoded structures: elements of arrays by their size in memory, texts by theirs. An empty element may
  // be one byte on the wire and a hundred in memory, so that a frame is bounded by its own size, and in any case. Real
  // clients stay below a factor of 8; the worst are lists of topics with names of a few characters.
  static constexpr size_t kDecodedPerByteMax = 16;
  static constexpr size_t kDecodedBytesMin = 128 << 10;  // any frame may take it, however small
  static constexpr size_t kDecodedBytesMax = 64 << 20;   // none may take more

  explicit Reader(const Bytes& frame)
      : frame_(frame),
        at_(frame.data()),
        end_(frame.data() + frame.size()),
        budget_(std::clamp(frame.size() * kDecodedPerByteMax, kDecodedBytesMin, kDecodedBytesMax)) {}

  size_t remaining() const { return static_cast<size_t>(end_ - at_); }
  bool at_end() const { return at_ == end_; }
  bool ok() const { return error_ == nullptr; }
  void fail(const char* why);
  // malformed, naming what was wrong and where.
  Status status() const;

  bool boolean() { return int8() != 0; }
  int8_t int8() { return fixed<int8_t>(); }
  int16_t int16() { return fixed<int16_t>(); }
  uint16_t uint16() { return fixed<uint16_t>(); }
  int32_t int32() { return fixed<int32_t>(); }
  uint32_t uint32() { return fixed<uint32_t>(); }
  int64_t int64() { return fixed<int64_t>(); }
  double float64();
  Uuid uuid();
  uint32_t unsigned_varint();
  int32_t varint();   // zigzag
  int64_t varlong();  // zigzag

  // `compact`: the flexible versions' form (unsigned varint of length + 1) instead of a fixed-width length.
  std::string string(bool compact);  // null is an error
  std::optional<std::string> nullable_string(bool compact);
  Bytes bytes(bool compact);
  std::optional<Bytes> nullable_bytes(bool compact);
  Records records(bool compact);  // may be null
  // Elements of an array, each of which will take `element_bytes` of memory; -1 for null where allowed.
  int32_t array_count(bool compact, bool nullable, size_t element_bytes);
  // Memory that was taken for what was read so far.
  size_t decoded_bytes() const { return decoded_; }

  // Tagged fields: for (uint32_t n = unsigned_varint(); next_tag(n, tag, end);) { read or skip_to(end);
  // finish_tag(end); }
  struct TagEnd {
    const std::byte* at = nullptr;
  };
  bool next_tag(uint32_t& left, uint32_t& tag, TagEnd& tag_end);
  void skip_to(TagEnd tag_end) { at_ = ok() ? tag_end.at : at_; }
  void finish_tag(TagEnd tag_end);  // a field that was read must have used its whole size
  void skip_tags();

  Bytes raw(size_t size);  // a slice

 private:
  template <class Int>
  Int fixed() {
    if (remaining() < sizeof(Int)) {
      fail("ends within a number");
      return 0;
    }
    const Int value = load_big_endian<Int>(at_);
    at_ += sizeof(Int);
    return value;
  }
  uint64_t varint_bits(int bytes_max);
  int64_t string_length(bool compact);
  int64_t bytes_length(bool compact);
  bool take_memory(size_t bytes);

  const Bytes& frame_;
  const std::byte* at_;
  const std::byte* end_;
  const char* error_ = nullptr;
  size_t error_at_ = 0;
  const size_t budget_;
  size_t decoded_ = 0;
};

// Elements of primitive arrays, by type.
inline void read_element(Reader& reader, bool, int8_t& out) { out = reader.int8(); }
inline void read_element(Reader& reader, bool, int16_t& out) { out = reader.int16(); }
inline void read_element(Reader& reader, bool, int32_t& out) { out = reader.int32(); }
inline void read_element(Reader& reader, bool, int64_t& out) { out = reader.int64(); }
inline void read_element(Reader& reader, bool compact, std::string& out) { out = reader.string(compact); }
inline void read_element(Reader& reader, bool compact, Bytes& out) { out = reader.bytes(compact); }
inline void read_element(Reader& reader, bool, Uuid& out) { out = reader.uuid(); }

template <class T>
void read_elements(Reader& reader, bool compact, int32_t count, std::vector<T>& out) {
  out.reserve(static_cast<size_t>(count));  // is within the budget
  for (int32_t i = 0; i < count && reader.ok(); ++i) read_element(reader, compact, out.emplace_back());
}
template <class T>
void read_array(Reader& reader, bool compact, std::vector<T>& out) {
  out.clear();
  read_elements(reader, compact, reader.array_count(compact, false, sizeof(T)), out);
}
template <class T>
void read_array(Reader& reader, bool compact, bool nullable, std::optional<std::vector<T>>& out) {
  const int32_t count = reader.array_count(compact, nullable, sizeof(T));
  out.reset();
  if (count >= 0) read_elements(reader, compact, count, out.emplace());
}
template <class T>
void read_structs(Reader& reader, int16_t version, int32_t count, std::vector<T>& out) {
  out.reserve(static_cast<size_t>(count));  // is within the budget
  for (int32_t i = 0; i < count && reader.ok(); ++i) out.emplace_back().read(reader, version);
}
template <class T>
void read_struct_array(Reader& reader, bool compact, int16_t version, std::vector<T>& out) {
  out.clear();
  read_structs(reader, version, reader.array_count(compact, false, sizeof(T)), out);
}
template <class T>
void read_struct_array(Reader& reader, bool compact, bool nullable, int16_t version,
                       std::optional<std::vector<T>>& out) {
  const int32_t count = reader.array_count(compact, nullable, sizeof(T));
  out.reset();
  if (count >= 0) read_structs(reader, version, count, out.emplace());
}

// A whole message from a body. Bytes behind the last field are ignored, as Kafka ignores them: librdkafka 2.16 asks for
// the metadata of all topics (version 13) with three of them.
template <class T>
Result<T> decode_whole(const Bytes& body, int16_t version) {
  Reader reader(body);
  T message;
  message.read(reader, version);
  TRY(reader.status());
  return message;
}

}  // namespace millrace::protocol
