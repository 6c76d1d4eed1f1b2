#pragma once

#include <cstdint>

#include "broker/base/result.h"

namespace millrace::app {

// How many files and connections this process may have open (RLIMIT_NOFILE).
struct OpenFilesLimit {
  uint64_t before = 0;  // the soft limit that the process was started with
  uint64_t now = 0;
  uint64_t hard = 0;
};

// Raises the soft limit to the hard one: Debian starts processes with 1,024, which segment files alone may need.
// Errors: those of the system; the limit is then as it was.
Result<OpenFilesLimit> raise_open_files_limit();

// The same at a start, with a line in the log: a warning that says what to do when less than `files` and a margin for
// connections is left.
void raise_and_log_open_files_limit(uint64_t files);

}  // namespace millrace::app
