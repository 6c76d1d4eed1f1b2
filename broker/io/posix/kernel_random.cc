#include "broker/io/posix/kernel_random.h"

#include <cerrno>

#include <sys/random.h>

#include "broker/base/ensure.h"

namespace millrace::io::posix {

uint64_t KernelRandom::next() {
  MutexLock lock(mutex_);
  if (left_ == 0) {
    // Requests of up to 256 bytes are never cut short once the generator is seeded; a signal may come before that.
    ssize_t got;
    do {
      got = getrandom(words_.data(), sizeof words_, 0);
    } while (got < 0 && errno == EINTR);
    ENSURE(got == static_cast<ssize_t>(sizeof words_));
    left_ = words_.size();
  }
  const uint64_t word = words_[--left_];
  words_[left_] = 0;  // what was handed out is not kept
  return word;
}

}  // namespace millrace::io::posix
