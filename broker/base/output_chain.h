#pragma once

#include <cstddef>
#include <span>
#include <utility>
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
    memory_ += bytes.size();
    if (!bytes.empty()) pieces_.emplace_back(std::move(bytes));
  }
  void append(SourceRange range) {
    size_ += range.size;
    if (range.size != 0) pieces_.emplace_back(std::move(range));
  }
  void append(OutputChain other) {
    size_ += other.size_;
    memory_ += other.memory_ - other.cut_;
    for (Piece& piece : other.pieces()) pieces_.push_back(std::move(piece));
  }

  // Forgets the first `bytes` of it: they were sent.
  void remove_front(size_t bytes) {
    ENSURE(bytes <= size_);
    size_ -= bytes;
    while (bytes != 0) {
      Piece& piece = pieces_[first_];
      const size_t taken = cut_front(piece, bytes);
      bytes -= taken;
      if (std::holds_alternative<Bytes>(piece)) cut_ += taken;
      if (piece_size(piece) == 0) {
        memory_ -= std::exchange(cut_, 0);
        piece = Bytes{};  // what was sent is released at once
        ++first_;
      }
    }
    if (first_ == pieces_.size()) {
      pieces_.clear();
      first_ = 0;
    }
  }

  size_t size() const { return size_; }
  // Of it in memory; a piece counts whole until its last byte was sent, for its block is held until then.
  size_t memory_size() const { return memory_; }
  bool empty() const { return size_ == 0; }
  std::span<Piece> pieces() { return std::span(pieces_).subspan(first_); }
  std::span<const Piece> pieces() const { return std::span(pieces_).subspan(first_); }

  static size_t piece_size(const Piece& piece) {
    return std::holds_alternative<Bytes>(piece) ? std::get<Bytes>(piece).size() : std::get<SourceRange>(piece).size;
  }

 private:
  static size_t cut_front(Piece& piece, size_t bytes) {
    const size_t taken = bytes < piece_size(piece) ? bytes : piece_size(piece);
    if (auto* memory = std::get_if<Bytes>(&piece)) {
      *memory = memory->slice(taken, memory->size() - taken);
    } else {
      std::get<SourceRange>(piece).position += taken;
      std::get<SourceRange>(piece).size -= taken;
    }
    return taken;
  }

  std::vector<Piece> pieces_;
  size_t first_ = 0;   // pieces before it were sent
  size_t size_ = 0;    // bytes
  size_t memory_ = 0;  // bytes
  size_t cut_ = 0;     // bytes of the first piece, in memory, that were sent
};

}  // namespace millrace
