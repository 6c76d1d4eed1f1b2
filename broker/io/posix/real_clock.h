#pragma once

#include "broker/base/clock.h"

namespace millrace::io::posix {

// The machine's clocks. Thread-safe, no state.
class RealClock final : public Clock {
 public:
  TimePoint now() const override;
  Timestamp wall_ms() const override;
};

}  // namespace millrace::io::posix
