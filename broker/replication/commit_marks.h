#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "broker/base/strong_id.h"

namespace millrace::replication {

// How many bytes of what was appended lie below the high watermark, so that a fetch that waits for bytes can be told.
// Guarded by its Partition.
class CommitMarks {
 public:
  void appended(Offset end, size_t bytes) {
    appended_bytes_ += bytes;
    if (marks_.size() - first_ >= kMarksMax) marks_.pop_back();
    marks_.push_back({end, appended_bytes_});
  }
  // The high watermark only grows.
  uint64_t readable_bytes(Offset high_watermark) {
    while (first_ < marks_.size() && marks_[first_].end <= high_watermark) readable_bytes_ = marks_[first_++].bytes;
    if (first_ == marks_.size()) {
      marks_.clear();
      first_ = 0;
    } else if (first_ >= kMarksMax) {
      marks_.erase(marks_.begin(), marks_.begin() + static_cast<std::ptrdiff_t>(std::exchange(first_, 0)));
    }
    return readable_bytes_;
  }
  void clear() {  // the log was cut
    marks_.clear();
    first_ = 0;
    appended_bytes_ = readable_bytes_;
  }
  uint64_t pending_bytes() const { return appended_bytes_ - readable_bytes_; }

 private:
  // While this many appends are not yet below the high watermark, newer ones share the last mark: a fetch that waits
  // for bytes is woken for them together, a little late, instead of memory growing.
  static constexpr size_t kMarksMax = 1024;
  struct Mark {
    Offset end;
    uint64_t bytes = 0;
  };

  std::vector<Mark> marks_;  // oldest first
  size_t first_ = 0;         // those before it are passed
  uint64_t appended_bytes_ = 0;
  uint64_t readable_bytes_ = 0;
};

}  // namespace millrace::replication
