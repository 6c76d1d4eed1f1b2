#include "broker/coordinator/wire_format.h"

#include "broker/base/ensure.h"

namespace millrace::coordinator {

BytesView WireReader::take(size_t size) {
  if (!ok_ || size > rest_.size()) {
    ok_ = false;
    rest_ = {};
    return {};
  }
  const BytesView taken = rest_.first(size);
  rest_ = rest_.subspan(size);
  return taken;
}

uint64_t WireReader::integer(size_t size) {
  uint64_t value = 0;
  for (std::byte byte : take(size)) value = value << 8 | static_cast<uint64_t>(byte);
  return value;
}

uint64_t WireReader::varint() {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 35; shift += 7) {
    const uint64_t byte = integer(1);
    value |= (byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  ok_ = false;
  return 0;
}

int64_t WireReader::length(bool is_string) {
  if (flexible_) return static_cast<int64_t>(varint()) - 1;
  return is_string ? int16() : int32();
}

std::optional<std::string> WireReader::nullable_string() {
  const int64_t size = length(true);
  if (size < 0) return std::nullopt;
  return std::string(as_text(take(static_cast<size_t>(size))));
}

Bytes WireReader::bytes() {
  const int64_t size = length(false);
  return size < 0 ? Bytes() : Bytes::copy_of(take(static_cast<size_t>(size)));
}

int32_t WireReader::array_size() {
  const int64_t size = length(false);
  // Every element takes a byte at least, so a larger count is nonsense and must not be allocated for.
  if (size > static_cast<int64_t>(rest_.size())) ok_ = false;
  return ok_ ? static_cast<int32_t>(size) : 0;
}

void WireReader::skip_tags() {
  if (!flexible_) return;
  for (uint64_t count = varint(); count > 0 && ok_; --count) {
    varint();
    take(varint());
  }
}

void WireWriter::integer(uint64_t value, size_t size) {
  for (size_t i = size; i-- > 0;) out_.push_back(static_cast<std::byte>(value >> (8 * i) & 0xff));
}

void WireWriter::string(std::string_view text) {
  ENSURE(text.size() <= INT16_MAX);
  int16(static_cast<int16_t>(text.size()));
  const BytesView raw = as_bytes(text);
  out_.insert(out_.end(), raw.begin(), raw.end());
}

void WireWriter::nullable_string(const std::optional<std::string>& text) {
  if (text) return string(*text);
  int16(-1);
}

void WireWriter::bytes(BytesView bytes) {
  int32(static_cast<int32_t>(bytes.size()));
  out_.insert(out_.end(), bytes.begin(), bytes.end());
}

}  // namespace millrace::coordinator
