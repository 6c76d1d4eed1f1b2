#pragma once

#include "broker/io/file_system.h"

namespace millrace::io::posix {

// The machine's file system. Thread-safe, no state. Files are opened close-on-exec, new ones with mode 0640 and
// directories with 0750 (less the umask).
class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<std::vector<DirectoryEntry>> list(const std::string& directory) override;
  Result<bool> exists(const std::string& path) override;
  Status create_directories(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status remove_all(const std::string& path) override;
  Status flush_directory(const std::string& directory) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
  Result<DiskSpace> disk_space(const std::string& path) override;
};

}  // namespace millrace::io::posix
