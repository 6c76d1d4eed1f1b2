#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/byte_source.h"
#include "broker/base/bytes.h"
#include "broker/base/result.h"

namespace millrace::io {

// An open file. Reads and writes at positions may run on several threads at once; the caller keeps writers of one range
// apart. Closed by the destructor. Errors: io, disk_full (a write found no space; bytes before it may be there).
class File : public ByteSource {
 public:
  // Writes all of `pieces`, one after another, from `position`. On an error a prefix may have been written.
  virtual Status write_at(uint64_t position, std::span<const BytesView> pieces) = 0;
  // Content and size survive a power loss once this returns (fdatasync). After an error the file's unflushed content is
  // unknown: the kernel may have dropped it, so the caller must not retry but reopen and recover.
  virtual Status flush() = 0;
  virtual Status truncate(uint64_t size) = 0;
  virtual Result<uint64_t> size() const = 0;
};

enum class OpenMode : uint8_t {
  read,        // must exist
  read_write,  // must exist
  create,      // read_write; made when absent
  create_new,  // read_write; already_exists when present
};

struct DirectoryEntry {
  std::string name;
  bool is_directory = false;
};

struct DiskSpace {
  uint64_t total_bytes = 0;
  uint64_t usable_bytes = 0;
};

// Holds an exclusive lock on a file, taken by one process at a time, until destroyed.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

// The only door to disks. Paths are absolute or relative to the working directory, '/'-separated. Thread-safe.
// Errors: not_found, already_exists, permission_denied, disk_full, io; context names the path and the operating
// system's words.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  virtual Result<std::vector<DirectoryEntry>> list(
      const std::string& directory) = 0;  // unordered, without "." and ".."
  virtual Result<bool> exists(const std::string& path) = 0;
  virtual Status create_directories(const std::string& path) = 0;             // ok when it exists
  virtual Status rename(const std::string& from, const std::string& to) = 0;  // replaces `to`
  virtual Status remove(const std::string& path) = 0;                         // a file or an empty directory
  virtual Status remove_all(const std::string& path) = 0;                     // ok when absent
  // Names created, renamed or removed in `directory` survive a power loss once this returns (fsync of the directory).
  virtual Status flush_directory(const std::string& directory) = 0;
  // in_use when another process (or another holder here) has it.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
  virtual Result<DiskSpace> disk_space(const std::string& path) = 0;
};

// Helpers over any FileSystem.
inline constexpr size_t kSmallFileBytesMax = 16u << 20;  // checkpoints, manifests, properties
Result<std::string> read_small_file(FileSystem& fs, const std::string& path);
// Readers see the old content or the new one, also after a power loss: writes PATH.tmp, flushes, renames, flushes the
// directory.
Status write_file_atomically(FileSystem& fs, const std::string& path, std::string_view content);
std::string join_path(std::string_view directory, std::string_view name);
std::string parent_path(std::string_view path);

}  // namespace millrace::io
