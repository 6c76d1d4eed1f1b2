#include "broker/protocol/writer.h"

#include <bit>
#include <climits>

namespace millrace::protocol {

void Writer::close_block() {
  if (block_.empty()) return;
  chain_.append(Bytes::adopt(std::move(block_)));
  block_ = {};
}

OutputChain Writer::take() {
  close_block();
  OutputChain taken = std::move(chain_);
  chain_ = {};
  return taken;
}

Bytes Writer::take_bytes() {
  ENSURE(chain_.empty());
  return Bytes::adopt(std::exchange(block_, {}));
}

void Writer::patch_int32(size_t position, int32_t value) {
  std::byte* start = block_.data();
  size_t size = block_.size();
  if (!chain_.empty()) {
    Bytes& first = std::get<Bytes>(chain_.pieces().front());
    start = first.mutable_data();
    size = first.size();
  }
  ENSURE(position + sizeof value <= size);
  store_big_endian(start + position, value);
}

void Writer::float64(double value) { int64(std::bit_cast<int64_t>(value)); }

void Writer::unsigned_varint(uint32_t value) {
  for (; value >= 0x80; value >>= 7) block_.push_back(static_cast<std::byte>(value | 0x80));
  block_.push_back(static_cast<std::byte>(value));
}

void Writer::varint(int32_t value) {
  unsigned_varint((static_cast<uint32_t>(value) << 1) ^ static_cast<uint32_t>(value >> 31));
}

void Writer::varlong(int64_t value) {
  uint64_t bits = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  for (; bits >= 0x80; bits >>= 7) block_.push_back(static_cast<std::byte>(bits | 0x80));
  block_.push_back(static_cast<std::byte>(bits));
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
  close_block();
  if (value.is_bytes()) {
    chain_.append(value.bytes());
  } else {
    chain_.append(value.range());
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
    if (Bytes* held = std::get_if<Bytes>(&piece)) {
      raw(held->view());
    } else {
      close_block();
      chain_.append(std::get<SourceRange>(std::move(piece)));
    }
  }
}

}  // namespace millrace::protocol
