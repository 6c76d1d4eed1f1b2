#include "broker/io/posix/posix_file_system.h"

#include <cerrno>
#include <cstring>

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "broker/io/posix/posix_file.h"

namespace millrace::io::posix {

namespace {

constexpr mode_t kFileMode = 0640;
constexpr mode_t kDirectoryMode = 0750;

int flags_of(OpenMode mode) {
  switch (mode) {
    case OpenMode::read:
      return O_RDONLY;
    case OpenMode::read_write:
      return O_RDWR;
    case OpenMode::create:
      return O_RDWR | O_CREAT;
    case OpenMode::create_new:
      return O_RDWR | O_CREAT | O_EXCL;
  }
  return O_RDONLY;
}

Result<int> open_fd(const std::string& path, int flags) {
  while (true) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, kFileMode);
    if (fd >= 0) return fd;
    if (errno != EINTR) return system_error(errno, "open", path);
  }
}

bool is_directory(const std::string& path) {
  struct stat facts;
  return ::stat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode);
}

class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(int fd) : fd_(fd) {}
  ~PosixFileLock() override { ::close(fd_); }
  PosixFileLock(const PosixFileLock&) = delete;
  PosixFileLock& operator=(const PosixFileLock&) = delete;

 private:
  const int fd_;
};

}  // namespace

Result<std::unique_ptr<File>> PosixFileSystem::open(const std::string& path, OpenMode mode) {
  TRY_ASSIGN(const int fd, open_fd(path, flags_of(mode)));
  return make_posix_file(fd, path);
}

Result<std::vector<DirectoryEntry>> PosixFileSystem::list(const std::string& directory) {
  DIR* stream = ::opendir(directory.c_str());
  if (stream == nullptr) return system_error(errno, "list", directory);
  std::vector<DirectoryEntry> entries;
  int failure = 0;
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(stream);
    if (entry == nullptr) {
      failure = errno;
      break;
    }
    std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    const bool directory_entry = entry->d_type == DT_DIR || ((entry->d_type == DT_UNKNOWN || entry->d_type == DT_LNK) &&
                                                             is_directory(join_path(directory, name)));
    entries.push_back({std::move(name), directory_entry});
  }
  ::closedir(stream);
  if (failure != 0) return system_error(failure, "list", directory);
  return entries;
}

Result<bool> PosixFileSystem::exists(const std::string& path) {
  struct stat facts;
  if (::stat(path.c_str(), &facts) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return system_error(errno, "look for", path);
}

Status PosixFileSystem::create_directories(const std::string& path) {
  if (::mkdir(path.c_str(), kDirectoryMode) == 0) return ok();
  if (errno == EEXIST && is_directory(path)) return ok();
  if (errno != ENOENT) return system_error(errno, "create directory", path);
  const std::string parent = parent_path(path);
  if (parent == path) return system_error(ENOENT, "create directory", path);
  TRY(create_directories(parent));
  if (::mkdir(path.c_str(), kDirectoryMode) == 0 || (errno == EEXIST && is_directory(path))) return ok();
  return system_error(errno, "create directory", path);
}

Status PosixFileSystem::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return system_error(errno, "rename to " + to, from);
  return ok();
}

Status PosixFileSystem::remove(const std::string& path) {
  if (::remove(path.c_str()) != 0) return system_error(errno, "remove", path);
  return ok();
}

Status PosixFileSystem::remove_all(const std::string& path) {
  struct stat facts;
  if (::lstat(path.c_str(), &facts) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return ok();
    return system_error(errno, "remove", path);
  }
  if (S_ISDIR(facts.st_mode)) {
    TRY_ASSIGN(const auto entries, list(path));
    for (const DirectoryEntry& entry : entries) TRY(remove_all(join_path(path, entry.name)));
  }
  if (::remove(path.c_str()) != 0 && errno != ENOENT) return system_error(errno, "remove", path);
  return ok();
}

Status PosixFileSystem::flush_directory(const std::string& directory) {
  TRY_ASSIGN(const int fd, open_fd(directory, O_RDONLY | O_DIRECTORY));
  const int failure = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (failure != 0) return system_error(failure, "flush directory", directory);
  return ok();
}

Result<std::unique_ptr<FileLock>> PosixFileSystem::lock(const std::string& path) {
  TRY_ASSIGN(const int fd, open_fd(path, O_RDWR | O_CREAT));
  // flock belongs to the open file, so a second holder in this process is refused as well; it ends with the process.
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return std::unique_ptr<FileLock>(std::make_unique<PosixFileLock>(fd));
  const int failure = errno;
  ::close(fd);
  if (failure == EWOULDBLOCK) return Error{Errc::in_use, "lock " + path};
  return system_error(failure, "lock", path);
}

Result<DiskSpace> PosixFileSystem::disk_space(const std::string& path) {
  struct statvfs facts;
  if (::statvfs(path.c_str(), &facts) != 0) return system_error(errno, "measure", path);
  return DiskSpace{facts.f_blocks * facts.f_frsize, facts.f_bavail * facts.f_frsize};
}

}  // namespace millrace::io::posix
