#include "broker/protocol/writer.h"

#include <algorithm>
#include <bit>
#include <climits>

namespace millrace::protocol {

void Writer::grow(size_t bytes) {
  Bytes larger = Bytes::uninitialized(std::max({kFirstBlockBytes, used_ + bytes, 2 * block_.size()}));
  if (used_ != 0) std::memcpy(larger.mutable_data(), block_.data(), used_);
  block_ = std::move(larger);
}

void Writer::refer_to(OutputChain::Piece piece) {
  by_reference_bytes_ += OutputChain::piece_size(piece);
  by_reference_.push_back({used_, std::move(piece)});
}

OutputChain Writer::take() {
  OutputChain chain;
  size_t from = 0;
  for (ByReference& reference : by_reference_) {
    if (reference.at != from) chain.append(block_.slice(from, reference.at - from));
    from = reference.at;
    std::visit([&chain](auto& piece) { chain.append(std::move(piece)); }, reference.piece);
  }
  if (used_ != from) chain.append(block_.slice(from, used_ - from));
  *this = Writer();
  return chain;
}

Bytes Writer::take_bytes() {
  ENSURE(by_reference_.empty());
  Bytes bytes = used_ == 0 ? Bytes{} : block_.slice(0, used_);
  *this = Writer();
  return bytes;
}

void Writer::patch_int32(size_t position, int32_t value) {
  ENSURE(position + sizeof value <= used_);
  store_big_endian(block_.mutable_data() + position, value);
}

void Writer::float64(double value) { int64(std::bit_cast<int64_t>(value)); }

void Writer::unsigned_varint(uint32_t value) {
  for (; value >= 0x80; value >>= 7) *extend(1) = static_cast<std::byte>(value | 0x80);
  *extend(1) = static_cast<std::byte>(value);
}

void Writer::varint(int32_t value) {
  unsigned_varint((static_cast<uint32_t>(value) << 1) ^ static_cast<uint32_t>(value >> 31));
}

void Writer::varlong(int64_t value) {
  uint64_t bits = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  for (; bits >= 0x80; bits >>= 7) *extend(1) = static_cast<std::byte>(bits | 0x80);
  *extend(1) = static_cast<std::byte>(bits);
}

void Writer::string(std::string_view value, bool compact) {
  value = value.substr(0, INT16_MAX);
  if (compact) {
    unsigned_varint(static_cast<uint32_t>(value.size() + 1));
  } else {
    int16(static_cast<int16_t>(value.size()));
  }
  raw(as_bytes(value));
}

void Writer::nullable_string(const std::optional<std::string>& value, bool compact) {
  if (value) {
    string(*value, compact);
  } else if (compact) {
    unsigned_varint(0);
  } else {
    int16(-1);
  }
}

void Writer::bytes(const Bytes& value, bool compact) {
  array_count(value.size(), compact);
  raw(value.view());
}

void Writer::nullable_bytes(const std::optional<Bytes>& value, bool compact) {
  if (value) {
    bytes(*value, compact);
  } else {
    null_array(compact);
  }
}

void Writer::records(const Records& value, bool compact) {
  if (value.is_null()) return null_array(compact);
  array_count(value.size(), compact);
  if (value.size() == 0) return;
  if (value.is_bytes() && value.size() <= kInlineRecordsMax) return raw(value.bytes().view());
  if (value.is_bytes()) {
    refer_to(value.bytes());
  } else {
    refer_to(value.range());
  }
}

void Writer::array_count(size_t count, bool compact) {
  ENSURE(count < INT32_MAX);
  if (compact) {
    unsigned_varint(static_cast<uint32_t>(count + 1));
  } else {
    int32(static_cast<int32_t>(count));
  }
}

void Writer::null_array(bool compact) {
  if (compact) {
    unsigned_varint(0);
  } else {
    int32(-1);
  }
}

void Writer::tagged(uint32_t tag, Writer& content) {
  unsigned_varint(tag);
  unsigned_varint(static_cast<uint32_t>(content.size()));
  OutputChain chain = content.take();
  for (OutputChain::Piece& piece : chain.pieces()) {
    if (const Bytes* held = std::get_if<Bytes>(&piece)) {
      raw(held->view());
    } else {
      refer_to(std::move(piece));
    }
  }
}

}  // namespace millrace::protocol
