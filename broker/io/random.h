#pragma once

#include <cstdint>

#include "broker/base/uuid.h"

namespace millrace::io {

// The only source of randomness. Thread-safe. io/posix takes it from the kernel, io/sim from the test's seed.
class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t next() = 0;
  // Uniform in [0, bound); bound > 0.
  uint64_t below(uint64_t bound) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<uint64_t>((static_cast<Wide>(next()) * bound) >> 64);
  }
  Uuid uuid() { return Uuid::from_random(next(), next()); }
};

}  // namespace millrace::io
