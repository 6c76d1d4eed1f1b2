#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <variant>

namespace millrace::cli {

enum class Verb : uint8_t { local_up, local_status, local_down, apply, get, describe, remove, why };
enum class Output : uint8_t { table, yaml, json };

struct CommandLine {
  Verb verb = Verb::local_status;
  std::string data_dir = "./millrace-local";
  std::string name_space = "default";
  std::string path;  // -f
  std::string kind;  // get, describe, delete
  std::string name;  // describe, delete, why
  Output output = Output::table;
  bool detach = false;
  bool is_background = false;  // the process that --detach leaves behind
  bool purge = false;
};

// What was asked, or the exit code once help or the mistake has been printed.
std::variant<CommandLine, int> parse_command_line(int argc, const char* const* argv, std::ostream& out,
                                                  std::ostream& err);

}  // namespace millrace::cli
