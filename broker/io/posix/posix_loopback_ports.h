#pragma once

#include "broker/io/loopback_ports.h"

namespace millrace::io::posix {

// Asks the kernel by binding. No state.
class PosixLoopbackPorts final : public LoopbackPorts {
 public:
  Result<uint16_t> choose(uint16_t preferred, const std::set<uint16_t>& taken) override;
};

}  // namespace millrace::io::posix
