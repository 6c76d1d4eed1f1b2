#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "broker/base/byte_source.h"
#include "broker/base/result.h"
#include "broker/protocol/batch_header.h"

namespace millrace::storage {

enum class Verify : uint8_t { header, crc };

// Walks the batches of a segment file, reading a chunk at a time. Not thread-safe; the file outlives it.
class BatchScanner {
 public:
  enum class Found : uint8_t { batch, end, damage };
  static constexpr size_t kSmallChunkBytes = 4096;        // looking for one batch
  static constexpr size_t kLargeChunkBytes = 256 * 1024;  // reading everything

  // Batches lie in [from, end) of `file`; the first one has to start at offset `expected`.
  BatchScanner(const ByteSource& file, uint64_t from, uint64_t end, Offset expected, size_t chunk_bytes)
      : file_(file), position_(from), next_(from), end_(end), expected_(expected), chunk_bytes_(chunk_bytes) {}

  // Steps to the next batch. `damage`: what lies at position() is no batch that continues the log, or (Verify::crc) its
  // checksum is wrong; reason() says which; the scanner stays there.
  Result<Found> next(Verify verify);

  const protocol::BatchHeader& header() const { return header_; }
  uint64_t position() const { return position_; }       // of the batch found
  uint64_t end_position() const { return next_; }       // behind it
  Offset expected_offset() const { return expected_; }  // of what comes behind it
  const char* reason() const { return reason_; }

  // After damage: goes on at the nearest intact batch behind it that may follow in this log (its offsets start at
  // `expected` or later and end below `below`). False when there is none.
  Result<bool> skip_damage(Offset below);

 private:
  Result<BytesView> window(uint64_t position, size_t size);  // shorter at the end
  Result<bool> crc_matches(uint64_t position, const protocol::BatchHeader& header);

  const ByteSource& file_;
  uint64_t position_;
  uint64_t next_;
  const uint64_t end_;
  Offset expected_;
  const size_t chunk_bytes_;
  protocol::BatchHeader header_;
  const char* reason_ = "";
  std::vector<std::byte> chunk_;
  uint64_t chunk_at_ = 0;
  size_t chunk_size_ = 0;
};

}  // namespace millrace::storage
