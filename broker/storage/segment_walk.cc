#include "broker/storage/segment_walk.h"

#include <algorithm>

#include "broker/base/crc32c.h"

namespace millrace::storage {

Error SegmentWalk::damaged(const char* why) const {
  return {Errc::corrupt,
          "offset " + std::to_string(expected_.value()) + " at byte " + std::to_string(next_) + ": " + why};
}

Status SegmentWalk::fill(size_t size) {
  if (next_ >= chunk_at_ && next_ + size <= chunk_at_ + chunk_.size()) return ok();
  batch_ = {};
  chunk_ = {};
  const auto wanted = static_cast<size_t>(std::min<uint64_t>(std::max(size, kChunkBytes), size_ - next_));
  Bytes chunk = Bytes::uninitialized(wanted);
  TRY_ASSIGN(const size_t got, file_->read_at(next_, {chunk.mutable_data(), chunk.size()}));
  if (got < size) return damaged("the file is shorter than it was");
  chunk_ = chunk.slice(0, got);
  chunk_at_ = next_;
  return ok();
}

Result<bool> SegmentWalk::next() {
  if (next_ >= size_) return false;
  if (size_ - next_ < protocol::kBatchHeaderBytes) return damaged("the file ends inside a batch header");
  TRY(fill(protocol::kBatchHeaderBytes));
  header_ = protocol::BatchHeader::decode(chunk_.data() + (next_ - chunk_at_));
  if (!header_.is_plausible() || header_.total_bytes() > size_ - next_) return damaged("not a record batch");
  if (header_.base_offset != expected_) return damaged("the base offset does not continue the log");
  TRY(fill(header_.total_bytes()));
  batch_ = chunk_.slice(static_cast<size_t>(next_ - chunk_at_), header_.total_bytes());
  if (crc32c(batch_.view().subspan(protocol::kAttributesAt)) != header_.crc) {
    return damaged("the checksum of a batch is wrong");
  }
  next_ += header_.total_bytes();
  expected_ = header_.next_offset();
  return true;
}

}  // namespace millrace::storage
