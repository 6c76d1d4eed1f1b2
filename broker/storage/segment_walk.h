#pragma once

#include <memory>

#include "broker/base/bytes.h"
#include "broker/base/result.h"
#include "broker/io/file_system.h"
#include "broker/protocol/batch_header.h"

namespace millrace::storage {

// Reads a sealed segment's batches one after another, whole and verified, a chunk at a time. Not thread-safe.
class SegmentWalk {
 public:
  SegmentWalk(std::unique_ptr<io::File> file, uint64_t size, Offset base)
      : file_(std::move(file)), size_(size), expected_(base) {}

  // False behind the last one. corrupt: what lies there is no intact batch that continues the segment.
  Result<bool> next();
  const protocol::BatchHeader& header() const { return header_; }
  const Bytes& batch() const { return batch_; }  // a slice of what was read at once
  uint64_t position() const { return next_; }    // behind the batch
  Offset expected() const { return expected_; }

 private:
  static constexpr size_t kChunkBytes = 512 * 1024;
  Status fill(size_t size);  // so that `size` bytes from next_ on are in the chunk
  Error damaged(const char* why) const;

  const std::unique_ptr<io::File> file_;
  const uint64_t size_;
  Offset expected_;
  uint64_t next_ = 0;
  protocol::BatchHeader header_;
  Bytes batch_;
  Bytes chunk_;
  uint64_t chunk_at_ = 0;
};

}  // namespace millrace::storage
