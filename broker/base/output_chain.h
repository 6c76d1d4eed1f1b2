#pragma once

#include <cstddef>
#include <variant>
#include <vector>

#include "broker/base/byte_source.h"
#include "broker/base/bytes.h"

namespace millrace {

// What a connection is to send, in order: bytes in memory and ranges of files, none of them copied. A value; one owner
// at a time.
class OutputChain {
 public:
  using Piece = std::variant<Bytes, SourceRange>;

  void append(Bytes bytes) {
    size_ += bytes.size();
    if (!bytes.empty()) pieces_.emplace_back(std::move(bytes));
  }
  void append(SourceRange range) {
    size_ += range.size;
    if (range.size != 0) pieces_.emplace_back(std::move(range));
  }
  void append(OutputChain other) {
    size_ += other.size_;
    for (Piece& piece : other.pieces_) pieces_.push_back(std::move(piece));
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::vector<Piece>& pieces() { return pieces_; }
  const std::vector<Piece>& pieces() const { return pieces_; }

 private:
  std::vector<Piece> pieces_;
  size_t size_ = 0;  // bytes
};

}  // namespace millrace
