#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "broker/base/result.h"

namespace millrace {

// Something immutable-while-referenced that bytes can be read from at a position: a log segment's file. A network that
// knows native_fd() sends from it with sendfile; any other reads. Thread-safe.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Reads up to into.size() bytes at `position`; fewer only at the end of the source.
  virtual Result<size_t> read_at(uint64_t position, std::span<std::byte> into) const = 0;
  // The file descriptor behind it, or -1 where there is none (simulated files).
  virtual int native_fd() const { return -1; }
};

// `size` bytes of `source` from `position`; they exist when the range is made and stay as long as it lives.
struct SourceRange {
  std::shared_ptr<const ByteSource> source;
  uint64_t position = 0;
  size_t size = 0;
};

}  // namespace millrace
