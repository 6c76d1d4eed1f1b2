#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "broker/base/bytes.h"
#include "broker/base/result.h"
#include "broker/storage/segment_file.h"

namespace millrace::storage {

// A file of fixed-size entries in ascending order, the base of both indexes. New entries gather in memory and are
// written together; searches read the few blocks they need. Holds no descriptor and no entries while idle.
class IndexFile {
 public:
  static constexpr size_t kPendingEntriesMax = 64;

  IndexFile(const SegmentPlace& place, Offset base, std::string_view suffix, size_t entry_bytes)
      : file_(place, base, suffix), entry_bytes_(static_cast<uint32_t>(entry_bytes)) {}

  // Entries, also the pending ones. Reads the file's size at the first call; an absent file has none, a partial entry
  // at the end does not count.
  Result<uint64_t> count();
  // How many entries from the front fulfil `before`, which must hold for a prefix of them.
  Result<uint64_t> partition_point(const std::function<bool(const std::byte*)>& before);
  Status read(uint64_t index, std::byte* into);

  // Fails only when kPendingEntriesMax are waiting and cannot be written; they stay, and are tried again.
  Status append(BytesView entry);
  Status write_pending();
  Status truncate(uint64_t count);

  // The file, when there is one, for flushing.
  Result<std::shared_ptr<io::File>> open() const { return file_.open(); }
  void close() const { file_.close(); }
  std::string path() const { return file_.path(); }
  bool has_pending() const { return !pending_.empty(); }

 private:
  SegmentFile file_;
  const uint32_t entry_bytes_;
  bool counted_ = false;
  uint64_t written_ = 0;  // entries in the file
  std::vector<std::byte> pending_;
};

}  // namespace millrace::storage
