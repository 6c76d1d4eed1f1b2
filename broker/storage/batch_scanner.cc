#include "broker/storage/batch_scanner.h"

#include <algorithm>

#include "broker/base/crc32c.h"

namespace millrace::storage {

Result<BytesView> BatchScanner::window(uint64_t position, size_t size) {
  size = static_cast<size_t>(std::min<uint64_t>(size, end_ - std::min(end_, position)));
  if (position < chunk_at_ || position + size > chunk_at_ + chunk_size_) {
    if (chunk_.empty()) chunk_.resize(chunk_bytes_);
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(chunk_.size(), end_ - std::min(end_, position)));
    TRY_ASSIGN(chunk_size_, file_.read_at(position, std::span(chunk_).first(wanted)));
    chunk_at_ = position;
    size = std::min(size, chunk_size_);
  }
  return BytesView(chunk_).subspan(static_cast<size_t>(position - chunk_at_), size);
}

Result<bool> BatchScanner::crc_matches(uint64_t position, const protocol::BatchHeader& header) {
  uint32_t crc = 0;
  uint64_t at = position + protocol::kAttributesAt;
  const uint64_t end = position + header.total_bytes();
  while (at < end) {
    TRY_ASSIGN(const BytesView part, window(at, static_cast<size_t>(std::min<uint64_t>(end - at, chunk_bytes_))));
    if (part.empty()) return false;
    crc = crc32c(part, crc);
    at += part.size();
  }
  return crc == header.crc;
}

Result<BatchScanner::Found> BatchScanner::next(Verify verify) {
  position_ = next_;
  if (position_ >= end_) return Found::end;
  TRY_ASSIGN(const BytesView bytes, window(position_, protocol::kBatchHeaderBytes));
  if (bytes.size() < protocol::kBatchHeaderBytes) {
    reason_ = "the file ends inside a batch header";
    return Found::damage;
  }
  header_ = protocol::BatchHeader::decode(bytes.data());
  if (!header_.is_plausible()) {
    reason_ = "not a record batch";
    return Found::damage;
  }
  if (header_.base_offset != expected_) {
    reason_ = "the base offset does not continue the log";
    return Found::damage;
  }
  if (header_.total_bytes() > end_ - position_) {
    reason_ = "the file ends inside a batch";
    return Found::damage;
  }
  if (verify == Verify::crc) {
    TRY_ASSIGN(const bool matches, crc_matches(position_, header_));
    if (!matches) {
      reason_ = "the checksum of a batch is wrong";
      return Found::damage;
    }
  }
  next_ = position_ + header_.total_bytes();
  expected_ = header_.next_offset();
  return Found::batch;
}

Result<bool> BatchScanner::skip_damage(Offset below) {
  for (uint64_t at = position_ + 1; at + protocol::kBatchHeaderBytes <= end_;) {
    TRY_ASSIGN(const BytesView bytes, window(at, chunk_bytes_));
    if (bytes.size() < protocol::kBatchHeaderBytes) break;
    const size_t starts = bytes.size() - protocol::kBatchHeaderBytes + 1;
    size_t i = 0;
    for (; i < starts; ++i) {
      if (bytes[i + protocol::kMagicAt] != std::byte{protocol::kMagic}) continue;
      const protocol::BatchHeader candidate = protocol::BatchHeader::decode(bytes.data() + i);
      if (candidate.is_plausible() && candidate.base_offset >= expected_ && candidate.next_offset() <= below &&
          candidate.total_bytes() <= end_ - at - i) {
        break;
      }
    }
    if (i == starts) {
      at += starts;
      continue;
    }
    const protocol::BatchHeader candidate = protocol::BatchHeader::decode(bytes.data() + i);
    at += i;
    TRY_ASSIGN(const bool matches, crc_matches(at, candidate));  // moves the window
    if (matches) {
      next_ = at;
      expected_ = candidate.base_offset;
      return true;
    }
    ++at;
  }
  return false;
}

}  // namespace millrace::storage
