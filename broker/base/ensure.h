#pragma once

namespace millrace {

// Prints what was expected and where, then aborts. Called by ENSURE only.
[[noreturn]] void ensure_failed(const char* expression, const char* file, int line);

// States what only a bug of ours can break; stays on in release builds. What disks, peers and users can break is a
// Result.
#define ENSURE(expression)                                                   \
  (__builtin_expect(static_cast<bool>(expression), 1) ? static_cast<void>(0) \
                                                      : ::millrace::ensure_failed(#expression, __FILE__, __LINE__))

}  // namespace millrace
