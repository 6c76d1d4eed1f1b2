#pragma once

#include <array>
#include <cstddef>

#include "broker/base/mutex.h"
#include "broker/io/random.h"

namespace millrace::io::posix {

// Random words of the kernel's generator (getrandom), fetched a block at a time; fit for secrets. Thread-safe.
class KernelRandom final : public Random {
 public:
  uint64_t next() override;

 private:
  Mutex mutex_;  // a leaf: nothing is locked while it is held
  std::array<uint64_t, 32> words_ GUARDED_BY(mutex_){};
  size_t left_ GUARDED_BY(mutex_) = 0;
};

}  // namespace millrace::io::posix
