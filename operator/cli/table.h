#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace millrace::cli {

// Columns as wide as their widest cell, two blanks apart; nothing follows the last cell of a line.
class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void add(std::vector<std::string> row);
  bool empty() const { return rows_.size() == 1; }
  void print(std::ostream& out, const std::string& indent = "") const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace millrace::cli
