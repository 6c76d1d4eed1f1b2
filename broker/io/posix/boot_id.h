#pragma once

#include <string>

namespace millrace::io::posix {

// What Linux calls this run of the kernel: another one after each start of the machine, the same in all its containers.
// Empty when /proc does not say. Any thread.
std::string boot_id();

}  // namespace millrace::io::posix
