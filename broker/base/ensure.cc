#include "broker/base/ensure.h"

#include <cstdio>
#include <cstdlib>

namespace millrace {

void ensure_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "millrace: bug: ENSURE(%s) failed at %s:%d\n", expression, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace millrace
