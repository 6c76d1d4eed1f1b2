#include "broker/io/posix/posix_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace millrace::io::posix {

namespace {

Errc code_of(int number) {
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return Errc::not_found;
    case EEXIST:
      return Errc::already_exists;
    case EACCES:
    case EPERM:
    case EROFS:
      return Errc::permission_denied;
    case ENOSPC:
    case EDQUOT:
      return Errc::disk_full;
    default:
      return Errc::io;
  }
}

constexpr size_t kPiecesPerWriteMax = 64;

class PosixFile final : public File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixFile() override { ::close(fd_); }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  Result<size_t> read_at(uint64_t position, std::span<std::byte> into) const override {
    size_t done = 0;
    while (done < into.size()) {
      const ssize_t got = ::pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(position + done));
      if (got == 0) break;
      if (got < 0) {
        if (errno == EINTR) continue;
        return system_error(errno, "read", path_);
      }
      done += static_cast<size_t>(got);
    }
    return done;
  }

  int native_fd() const override { return fd_; }

  Status write_at(uint64_t position, std::span<const BytesView> pieces) override {
    size_t index = 0;
    size_t skip = 0;  // bytes of pieces[index] already written
    while (index < pieces.size()) {
      std::array<iovec, kPiecesPerWriteMax> parts;
      size_t count = 0;
      for (size_t at = index; at < pieces.size() && count < parts.size(); ++at) {
        const BytesView piece = at == index ? pieces[at].subspan(skip) : pieces[at];
        if (!piece.empty()) parts[count++] = {const_cast<std::byte*>(piece.data()), piece.size()};
      }
      if (count == 0) break;
      const ssize_t wrote = ::pwritev(fd_, parts.data(), static_cast<int>(count), static_cast<off_t>(position));
      if (wrote < 0) {
        if (errno == EINTR) continue;
        return system_error(errno, "write", path_);
      }
      position += static_cast<uint64_t>(wrote);
      size_t left = static_cast<size_t>(wrote);
      while (index < pieces.size() && left >= pieces[index].size() - skip) {
        left -= pieces[index].size() - skip;
        skip = 0;
        ++index;
      }
      skip += left;
    }
    return ok();
  }

  Status flush() override {
    if (::fdatasync(fd_) != 0) return system_error(errno, "flush", path_);
    return ok();
  }

  Status truncate(uint64_t size) override {
    while (::ftruncate(fd_, static_cast<off_t>(size)) != 0) {
      if (errno != EINTR) return system_error(errno, "truncate", path_);
    }
    return ok();
  }

  Result<uint64_t> size() const override {
    struct stat facts;
    if (::fstat(fd_, &facts) != 0) return system_error(errno, "stat", path_);
    return static_cast<uint64_t>(facts.st_size);
  }

 private:
  const int fd_;
  const std::string path_;
};

}  // namespace

Error system_error(int number, std::string_view action, std::string_view path) {
  std::string context(action);
  context += ' ';
  context += path;
  context += ": ";
  context += std::generic_category().message(number);
  return {code_of(number), std::move(context)};
}

std::unique_ptr<File> make_posix_file(int fd, std::string path) {
  return std::make_unique<PosixFile>(fd, std::move(path));
}

}  // namespace millrace::io::posix
