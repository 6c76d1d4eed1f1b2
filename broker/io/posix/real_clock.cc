#include "broker/io/posix/real_clock.h"

namespace millrace::io::posix {

TimePoint RealClock::now() const { return std::chrono::steady_clock::now(); }

Timestamp RealClock::wall_ms() const {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count();
}

}  // namespace millrace::io::posix
