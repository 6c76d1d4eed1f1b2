#include "broker/io/file_system.h"

#include <algorithm>
#include <array>

namespace millrace::io {

Result<std::string> read_small_file(FileSystem& fs, const std::string& path) {
  TRY_ASSIGN(auto file, fs.open(path, OpenMode::read));
  TRY_ASSIGN(const uint64_t size, file->size());
  if (size > kSmallFileBytesMax) {
    return Error{Errc::malformed, path + " has " + std::to_string(size) + " bytes, more than the " +
                                      std::to_string(kSmallFileBytesMax) + " that are read whole"};
  }
  std::string content(static_cast<size_t>(size), '\0');
  TRY_ASSIGN(const size_t read, file->read_at(0, std::as_writable_bytes(std::span(content.data(), content.size()))));
  content.resize(read);
  return content;
}

Status write_file_atomically(FileSystem& fs, const std::string& path, std::string_view content) {
  const std::string temporary = path + ".tmp";
  {
    TRY_ASSIGN(auto file, fs.open(temporary, OpenMode::create));
    TRY(file->truncate(0));  // what an earlier attempt left
    const std::array<BytesView, 1> pieces{as_bytes(content)};
    TRY(file->write_at(0, pieces));
    TRY(file->flush());  // before the rename: the new name must never show an empty file
  }
  TRY(fs.rename(temporary, path));
  return fs.flush_directory(parent_path(path));
}

std::string join_path(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty() && path.back() != '/') path += '/';
  path += name;
  return path;
}

std::string parent_path(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(path.substr(0, slash == 0 ? 1 : slash));
}

}  // namespace millrace::io
