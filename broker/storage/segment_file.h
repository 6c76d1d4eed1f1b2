#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/storage/file_cache.h"

namespace millrace::storage {

inline constexpr std::string_view kLogSuffix = ".log", kOffsetIndexSuffix = ".index", kTimeIndexSuffix = ".timeindex",
                                  kSnapshotSuffix = ".snapshot", kDeletedSuffix = ".deleted",
                                  kCleanedSuffix = ".cleaned", kSwapSuffix = ".swap";

// A segment's files carry their plain names once they are part of the log; a segment that compaction is still writing
// has *.cleaned ones.
enum class SegmentStage : uint8_t { live, cleaned };
inline constexpr std::string_view kCleanedLogSuffix = ".log.cleaned", kCleanedOffsetIndexSuffix = ".index.cleaned",
                                  kCleanedTimeIndexSuffix = ".timeindex.cleaned", kSwapLogSuffix = ".log.swap";

// Where the segments of one log live.
struct SegmentPlace {
  io::FileSystem& fs;
  FileCache& files;
  const std::string& directory;
};

// <directory>/<20-digit base offset><suffix>
std::string segment_path(const SegmentPlace& place, Offset base, std::string_view suffix);
// The offset in a name of that form; nothing for any other name.
std::optional<Offset> parse_segment_name(std::string_view name, std::string_view suffix);

// One file of a segment, opened through the cache when it is needed. Not thread-safe; `place` outlives it.
class SegmentFile {
 public:
  SegmentFile(const SegmentPlace& place, Offset base, std::string_view suffix)
      : place_(place), base_(base), suffix_(suffix), id_(place.files.new_id()) {}
  ~SegmentFile() { close(); }
  SegmentFile(const SegmentFile&) = delete;
  SegmentFile& operator=(const SegmentFile&) = delete;

  Result<std::shared_ptr<io::File>> open() const {  // must exist
    if (auto file = place_.files.find(id_)) return file;
    return place_.files.get(id_, path());
  }
  Result<std::shared_ptr<io::File>> create() const {  // or opens
    if (auto file = place_.files.find(id_)) return file;
    TRY_ASSIGN(std::shared_ptr<io::File> file, place_.fs.open(path(), io::OpenMode::create));
    place_.files.put(id_, file);
    return file;
  }
  void close() const { place_.files.forget(id_); }
  std::string path() const { return segment_path(place_, base_, suffix_); }
  const SegmentPlace& place() const { return place_; }

 private:
  const SegmentPlace& place_;
  const Offset base_;
  const std::string_view suffix_;  // of the constants above
  const FileCache::FileId id_;
};

}  // namespace millrace::storage
