#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "broker/base/mutex.h"
#include "broker/io/file_system.h"

namespace millrace::storage {

// The open segment files of all logs of a broker, at most `open_files_max` of them; the least recently used is closed
// and opened again on demand. Who holds a shared_ptr keeps its file open beyond that. Thread-safe.
class FileCache {
 public:
  using FileId = uint64_t;

  FileCache(io::FileSystem& fs, size_t open_files_max) : fs_(fs), open_files_max_(open_files_max) {}

  // A name for one file that is unique in this cache, whatever the file is called on disk and later renamed to.
  FileId new_id() EXCLUDES(mutex_);
  // Opens `path` (read_write) unless `id` is open already.
  Result<std::shared_ptr<io::File>> get(FileId id, const std::string& path) EXCLUDES(mutex_);
  // The same without a path to build: null when it is not open.
  std::shared_ptr<io::File> find(FileId id) EXCLUDES(mutex_);
  void put(FileId id, std::shared_ptr<io::File> file) EXCLUDES(mutex_);
  void forget(FileId id) EXCLUDES(mutex_);
  size_t open_files() const EXCLUDES(mutex_);

 private:
  struct Entry {
    std::shared_ptr<io::File> file;
    std::list<FileId>::iterator use;
  };

  io::FileSystem& fs_;
  const size_t open_files_max_;
  mutable Mutex mutex_;  // a leaf: no file is opened or closed while it is held
  FileId last_id_ GUARDED_BY(mutex_) = 0;
  std::list<FileId> uses_ GUARDED_BY(mutex_);  // the most recent first
  std::unordered_map<FileId, Entry> files_ GUARDED_BY(mutex_);
};

}  // namespace millrace::storage
