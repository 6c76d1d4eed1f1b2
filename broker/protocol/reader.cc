#include "broker/protocol/reader.h"

#include <bit>

namespace millrace::protocol {
namespace {

const size_t kInPlaceTextMax = std::string().capacity();  // held by the string itself

}  // namespace

void Reader::fail(const char* why) {
  if (error_ != nullptr) return;
  error_ = why;
  error_at_ = static_cast<size_t>(at_ - frame_.data());
  at_ = end_;
}

Status Reader::status() const {
  if (error_ == nullptr) return millrace::ok();
  return Error{Errc::malformed, "message " + std::string(error_) + " at byte " + std::to_string(error_at_)};
}

double Reader::float64() { return std::bit_cast<double>(fixed<int64_t>()); }

Uuid Reader::uuid() {
  Uuid id;
  if (remaining() < id.bytes.size()) {
    fail("ends within a uuid");
    return id;
  }
  std::memcpy(id.bytes.data(), at_, id.bytes.size());
  at_ += id.bytes.size();
  return id;
}

uint64_t Reader::varint_bits(int bytes_max) {
  uint64_t value = 0;
  for (int i = 0; i < bytes_max; ++i) {
    if (at_ == end_) {
      fail("ends within a varint");
      return 0;
    }
    const uint64_t byte = static_cast<uint64_t>(*at_++);
    value |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) return value;
  }
  fail("has a varint that is too long");
  return 0;
}

uint32_t Reader::unsigned_varint() {
  const uint64_t value = varint_bits(5);
  if (value > UINT32_MAX) {
    fail("has a varint beyond 32 bits");
    return 0;
  }
  return static_cast<uint32_t>(value);
}

int32_t Reader::varint() {
  const uint64_t value = varint_bits(5);
  if (value > UINT32_MAX) {
    fail("has a varint beyond 32 bits");
    return 0;
  }
  const uint32_t bits = static_cast<uint32_t>(value);
  return static_cast<int32_t>(bits >> 1) ^ -static_cast<int32_t>(bits & 1);
}

int64_t Reader::varlong() {
  const uint64_t value = varint_bits(10);
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

int64_t Reader::string_length(bool compact) {
  const int64_t length = compact ? static_cast<int64_t>(unsigned_varint()) - 1 : int64_t{int16()};
  if (!ok()) return 0;
  if (length < -1 || length > INT16_MAX) {
    fail("has a string of an impossible length");
    return 0;
  }
  if (length > static_cast<int64_t>(remaining())) {
    fail("has a string longer than itself");
    return 0;
  }
  return length;
}

int64_t Reader::bytes_length(bool compact) {
  const int64_t length = compact ? static_cast<int64_t>(unsigned_varint()) - 1 : int64_t{int32()};
  if (!ok()) return 0;
  if (length < -1 || length > static_cast<int64_t>(remaining())) {
    fail("has bytes longer than itself");
    return 0;
  }
  return length;
}

std::string Reader::string(bool compact) {
  auto value = nullable_string(compact);
  if (!value) {
    fail("has a null string where none may be");
    return {};
  }
  return *std::move(value);
}

std::optional<std::string> Reader::nullable_string(bool compact) {
  const int64_t length = string_length(compact);
  if (length < 0) return std::nullopt;
  const auto size = static_cast<size_t>(length);
  if (size > kInPlaceTextMax && !take_memory(size)) return std::nullopt;
  const char* text = reinterpret_cast<const char*>(at_);
  at_ += length;
  return std::string(text, size);
}

Bytes Reader::raw(size_t size) {
  if (size > remaining()) {
    fail("ends within a field");
    return {};
  }
  Bytes slice = frame_.slice(static_cast<size_t>(at_ - frame_.data()), size);
  at_ += size;
  return slice;
}

Bytes Reader::bytes(bool compact) {
  const int64_t length = bytes_length(compact);
  if (length < 0) {
    fail("has null bytes where none may be");
    return {};
  }
  return raw(static_cast<size_t>(length));
}

std::optional<Bytes> Reader::nullable_bytes(bool compact) {
  const int64_t length = bytes_length(compact);
  if (length < 0) return std::nullopt;
  return raw(static_cast<size_t>(length));
}

Records Reader::records(bool compact) {
  const int64_t length = bytes_length(compact);
  if (length < 0) return {};
  return Records(raw(static_cast<size_t>(length)));
}

// Rejects before the memory is taken. What the allocator adds counts too: a thousand arrays of one byte are not small.
bool Reader::take_memory(size_t bytes) {
  constexpr size_t kPerAllocation = 16;
  decoded_ += bytes + kPerAllocation;
  if (decoded_ <= budget_) return true;
  fail("would take more memory than a message of its size may");
  return false;
}

int32_t Reader::array_count(bool compact, bool nullable, size_t element_bytes) {
  const int64_t count = compact ? static_cast<int64_t>(unsigned_varint()) - 1 : int64_t{int32()};
  if (!ok()) return 0;
  if (count == -1 && nullable) return -1;
  if (count < 0) {
    fail(count == -1 ? "has a null array where none may be" : "has an array of an impossible length");
    return 0;
  }
  // Every element takes at least a byte.
  if (count > static_cast<int64_t>(remaining())) {
    fail("has an array longer than itself");
    return 0;
  }
  if (count != 0 && !take_memory(static_cast<size_t>(count) * element_bytes)) return 0;
  return static_cast<int32_t>(count);
}

bool Reader::next_tag(uint32_t& left, uint32_t& tag, TagEnd& tag_end) {
  if (left == 0 || !ok()) return false;
  --left;
  tag = unsigned_varint();
  const uint32_t size = unsigned_varint();
  if (size > remaining()) fail("has a tagged field longer than itself");
  if (!ok()) return false;
  tag_end.at = at_ + size;
  return true;
}

void Reader::finish_tag(TagEnd tag_end) {
  if (ok() && at_ != tag_end.at) fail("has a tagged field of another size than announced");
}

void Reader::skip_tags() {
  uint32_t tag = 0;
  TagEnd tag_end;
  for (uint32_t left = unsigned_varint(); next_tag(left, tag, tag_end);) skip_to(tag_end);
}

}  // namespace millrace::protocol
