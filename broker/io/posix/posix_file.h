#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "broker/io/file_system.h"

namespace millrace::io::posix {

// The operating system's error number as an Error: "ACTION PATH: words of the system".
Error system_error(int number, std::string_view action, std::string_view path);

// Takes over a file descriptor.
std::unique_ptr<File> make_posix_file(int fd, std::string path);

}  // namespace millrace::io::posix
