#pragma once

#include <cstdint>
#include <set>

#include "broker/base/result.h"

namespace millrace::io {

// Chooses TCP ports of 127.0.0.1 for programs that are about to be started. A port that was free may be taken by
// another program before its user binds it; the user's own error tells. Thread-safe.
class LoopbackPorts {
 public:
  virtual ~LoopbackPorts() = default;
  // `preferred` when it is free and not in `taken`, else one the system chooses, not in `taken`.
  virtual Result<uint16_t> choose(uint16_t preferred, const std::set<uint16_t>& taken) = 0;
};

}  // namespace millrace::io
