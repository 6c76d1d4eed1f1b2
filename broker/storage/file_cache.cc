#include "broker/storage/file_cache.h"

#include <vector>

namespace millrace::storage {

FileCache::FileId FileCache::new_id() {
  MutexLock lock(mutex_);
  return ++last_id_;
}

std::shared_ptr<io::File> FileCache::find(FileId id) {
  MutexLock lock(mutex_);
  const auto found = files_.find(id);
  if (found == files_.end()) return nullptr;
  uses_.splice(uses_.begin(), uses_, found->second.use);
  return found->second.file;
}

Result<std::shared_ptr<io::File>> FileCache::get(FileId id, const std::string& path) {
  if (auto file = find(id)) return file;
  TRY_ASSIGN(std::shared_ptr<io::File> file, fs_.open(path, io::OpenMode::read_write));
  put(id, file);
  return file;
}

void FileCache::put(FileId id, std::shared_ptr<io::File> file) {
  std::vector<std::shared_ptr<io::File>> closed;  // behind the lock
  MutexLock lock(mutex_);
  const auto [entry, added] = files_.try_emplace(id);
  if (added) {
    uses_.push_front(id);
    entry->second.use = uses_.begin();
  }
  std::swap(entry->second.file, file);
  while (files_.size() > open_files_max_) {
    const auto oldest = files_.find(uses_.back());
    closed.push_back(std::move(oldest->second.file));
    files_.erase(oldest);
    uses_.pop_back();
  }
}

void FileCache::forget(FileId id) {
  std::shared_ptr<io::File> closed;
  MutexLock lock(mutex_);
  const auto found = files_.find(id);
  if (found == files_.end()) return;
  closed = std::move(found->second.file);
  uses_.erase(found->second.use);
  files_.erase(found);
}

size_t FileCache::open_files() const {
  MutexLock lock(mutex_);
  return files_.size();
}

}  // namespace millrace::storage
