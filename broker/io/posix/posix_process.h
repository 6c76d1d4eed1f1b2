#pragma once

#include "broker/io/process.h"

namespace millrace::io::posix {

// Children of this process, each in its own process group, so that a terminal's Ctrl-C reaches only their parent.
class PosixProcessRunner final : public ProcessRunner {
 public:
  Result<std::unique_ptr<Process>> start(const ProcessOptions& options) override;
};

}  // namespace millrace::io::posix
