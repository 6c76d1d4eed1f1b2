#include "broker/io/posix/boot_id.h"

#include <fstream>

namespace millrace::io::posix {

std::string boot_id() {
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  return id;
}

}  // namespace millrace::io::posix
