#include "broker/io/sim/sim_file_system.h"

#include <algorithm>

namespace millrace::io::sim {

namespace {

constexpr uint64_t kDefaultTotalBytes = 1ull << 40;

Error dead(const std::string& path) { return {Errc::io, path + ": the simulated process has ended"}; }

}  // namespace

class SimFile final : public File {
 public:
  SimFile(SimFileSystem& fs, std::shared_ptr<SimInode> inode, std::string path, uint64_t incarnation, bool writable)
      : fs_(fs), inode_(std::move(inode)), path_(std::move(path)), incarnation_(incarnation), writable_(writable) {}
  ~SimFile() override {
    MutexLock lock(fs_.mutex_);
    --fs_.open_handles_;
  }
  SimFile(const SimFile&) = delete;
  SimFile& operator=(const SimFile&) = delete;

  Result<size_t> read_at(uint64_t position, std::span<std::byte> into) const override {
    MutexLock lock(fs_.mutex_);
    if (incarnation_ != fs_.incarnation_) return dead(path_);
    if (fs_.reads_until_failure_ != SimFileSystem::kNever && fs_.reads_until_failure_-- == 0) {
      return Error{Errc::io, "read " + path_};
    }
    const auto& content = inode_->content();
    if (position >= content.size()) return size_t{0};
    const size_t size = std::min(into.size(), content.size() - static_cast<size_t>(position));
    std::copy_n(content.begin() + static_cast<ptrdiff_t>(position), size, into.begin());
    fs_.read_bytes_ += size;
    return size;
  }

  Status write_at(uint64_t position, std::span<const BytesView> pieces) override {
    MutexLock lock(fs_.mutex_);
    TRY(may_change());
    if (fs_.clock_ != nullptr) fs_.clock_->advance(fs_.per_write_);
    std::vector<std::byte> all;
    for (const BytesView piece : pieces) all.insert(all.end(), piece.begin(), piece.end());
    if (auto fault = fs_.begin_call("write " + path_); !fault) {
      const size_t written = static_cast<size_t>(fs_.random_.below(all.size() + 1));
      inode_->write(position, BytesView(all).first(written));
      return fault;
    }
    return fs_.write(*inode_, position, all, path_);
  }

  Status flush() override {
    MutexLock lock(fs_.mutex_);
    TRY(may_change());
    if (fs_.clock_ != nullptr) fs_.clock_->advance(fs_.per_flush_);
    Status fault = fs_.begin_call("flush " + path_);
    if (fault && fs_.flushes_fail_) fault = Error{Errc::io, "flush " + path_};
    if (!fault) {
      if (fs_.die_at_ == SimFileSystem::kNever) inode_->fail_flush();  // a dying process leaves the pages to the kernel
      return fault;
    }
    inode_->flush();
    return ok();
  }

  Status truncate(uint64_t size) override {
    MutexLock lock(fs_.mutex_);
    TRY(may_change());
    TRY(fs_.begin_call("truncate " + path_));
    inode_->truncate(size);
    return ok();
  }

  Result<uint64_t> size() const override {
    MutexLock lock(fs_.mutex_);
    if (incarnation_ != fs_.incarnation_) return dead(path_);
    return uint64_t{inode_->content().size()};
  }

 private:
  Status may_change() const REQUIRES(fs_.mutex_) {
    if (incarnation_ != fs_.incarnation_) return dead(path_);
    if (!writable_) return Error{Errc::io, path_ + " is open for reading only"};
    return ok();
  }

  SimFileSystem& fs_;
  const std::shared_ptr<SimInode> inode_;
  const std::string path_;
  const uint64_t incarnation_;
  const bool writable_;
};

class SimFileLock final : public FileLock {
 public:
  SimFileLock(SimFileSystem& fs, std::string path, uint64_t number)
      : fs_(fs), path_(std::move(path)), number_(number) {}
  ~SimFileLock() override {
    MutexLock lock(fs_.mutex_);
    const auto found = fs_.locks_.find(path_);
    if (found != fs_.locks_.end() && found->second == number_) fs_.locks_.erase(found);
  }
  SimFileLock(const SimFileLock&) = delete;
  SimFileLock& operator=(const SimFileLock&) = delete;

 private:
  SimFileSystem& fs_;
  const std::string path_;
  const uint64_t number_;
};

Status SimFileSystem::begin_call(const std::string& what) {
  const uint64_t number = calls_++;
  if (number >= die_at_) return Error{Errc::io, what + ": the simulated process has ended"};
  if (number != fail_at_) return ok();
  fail_at_ = kNever;
  return Error{fail_code_, what + ": simulated"};
}

uint64_t SimFileSystem::used_bytes() const {
  uint64_t used = 0;
  for (const auto& [path, inode] : names_.now()) used += inode == nullptr ? 0 : inode->content().size();
  return used;
}

Result<std::shared_ptr<SimInode>> SimFileSystem::find(const std::string& path) const {
  const auto found = names_.now().find(path);
  if (found == names_.now().end()) return Error{Errc::not_found, path};
  if (found->second == nullptr) return Error{Errc::io, path + " is a directory"};
  return found->second;
}

Status SimFileSystem::write(SimInode& inode, uint64_t position, BytesView bytes, const std::string& path) {
  const uint64_t end = position + bytes.size();
  if (capacity_ != kNever && end > inode.content().size()) {
    const uint64_t growth = end - inode.content().size();
    const uint64_t used = used_bytes();
    const uint64_t left = used < capacity_ ? capacity_ - used : 0;
    if (growth > left) {
      const uint64_t fits = bytes.size() - std::min<uint64_t>(bytes.size(), growth - left);
      inode.write(position, bytes.first(static_cast<size_t>(fits)));
      return Error{Errc::disk_full, "write " + path};
    }
  }
  inode.write(position, bytes);
  return ok();
}

Result<std::unique_ptr<File>> SimFileSystem::open(const std::string& raw_path, OpenMode mode) {
  MutexLock lock(mutex_);
  const std::string path = normalize_path(raw_path);
  auto inode = find(path);
  if (inode && mode == OpenMode::create_new) return Error{Errc::already_exists, path};
  if (!inode) {
    const bool creates = mode == OpenMode::create || mode == OpenMode::create_new;
    if (!creates || inode.error().code != Errc::not_found) return std::move(inode).error();
    if (!names_.is_directory(parent_path(path))) return Error{Errc::not_found, parent_path(path)};
    TRY(begin_call("create " + path));
    inode = std::make_shared<SimInode>();
    names_.link(path, *inode);
  } else if (die_at_ <= calls_) {
    return dead(path);
  }
  ++open_handles_;
  return std::unique_ptr<File>(std::make_unique<SimFile>(*this, *inode, path, incarnation_, mode != OpenMode::read));
}

Result<std::vector<DirectoryEntry>> SimFileSystem::list(const std::string& directory) {
  MutexLock lock(mutex_);
  const std::string path = normalize_path(directory);
  if (!names_.is_directory(path)) return Error{Errc::not_found, path};
  std::vector<DirectoryEntry> entries;
  for (const auto& [name, inode] : names_.now()) {
    if (parent_path(name) == path && name != path) {
      entries.push_back({name.substr(name.rfind('/') + 1), inode == nullptr});
    }
  }
  return entries;
}

Result<bool> SimFileSystem::exists(const std::string& path) {
  MutexLock lock(mutex_);
  return names_.is_directory(normalize_path(path)) || names_.now().contains(normalize_path(path));
}

Status SimFileSystem::create_directories(const std::string& raw_path) {
  MutexLock lock(mutex_);
  std::vector<std::string> missing;
  for (std::string path = normalize_path(raw_path); !names_.is_directory(path); path = parent_path(path)) {
    if (names_.now().contains(path)) return Error{Errc::already_exists, path + " is a file"};
    missing.push_back(path);
  }
  for (auto path = missing.rbegin(); path != missing.rend(); ++path) {
    TRY(begin_call("create directory " + *path));
    names_.link(*path, nullptr);
  }
  return ok();
}

Status SimFileSystem::rename(const std::string& from, const std::string& to) {
  MutexLock lock(mutex_);
  const std::string source = normalize_path(from), target = normalize_path(to);
  if (!names_.now().contains(source)) return Error{Errc::not_found, "rename " + source};
  if (!names_.is_directory(parent_path(target))) return Error{Errc::not_found, parent_path(target)};
  TRY(begin_call("rename " + source));
  names_.rename(source, target);
  return ok();
}

Status SimFileSystem::remove(const std::string& raw_path) {
  MutexLock lock(mutex_);
  const std::string path = normalize_path(raw_path);
  if (!names_.now().contains(path)) return Error{Errc::not_found, "remove " + path};
  const auto next = names_.now().upper_bound(path + "/");
  if (next != names_.now().end() && next->first.starts_with(path + "/")) {
    return Error{Errc::io, "remove " + path + ": the directory is not empty"};
  }
  TRY(begin_call("remove " + path));
  names_.unlink(path);
  return ok();
}

Status SimFileSystem::remove_all(const std::string& raw_path) {
  MutexLock lock(mutex_);
  const std::string path = normalize_path(raw_path);
  std::vector<std::string> names;
  for (const auto& [name, inode] : names_.now()) {
    if (name == path || name.starts_with(path + "/")) names.push_back(name);
  }
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    TRY(begin_call("remove " + *name));
    names_.unlink(*name);
  }
  return ok();
}

Status SimFileSystem::flush_directory(const std::string& directory) {
  MutexLock lock(mutex_);
  const std::string path = normalize_path(directory);
  if (!names_.is_directory(path)) return Error{Errc::not_found, path};
  if (clock_ != nullptr) clock_->advance(per_flush_);
  TRY(begin_call("flush directory " + path));
  if (flushes_fail_) return Error{Errc::io, "flush directory " + path};
  names_.flush(path);
  return ok();
}

Result<std::unique_ptr<FileLock>> SimFileSystem::lock(const std::string& raw_path) {
  TRY(open(raw_path, OpenMode::create));
  MutexLock lock(mutex_);
  const std::string path = normalize_path(raw_path);
  if (locks_.contains(path)) return Error{Errc::in_use, "lock " + path};
  locks_[path] = ++last_lock_;
  return std::unique_ptr<FileLock>(std::make_unique<SimFileLock>(*this, path, last_lock_));
}

Result<DiskSpace> SimFileSystem::disk_space(const std::string&) {
  MutexLock lock(mutex_);
  const uint64_t total = capacity_ == kNever ? kDefaultTotalBytes : capacity_;
  return DiskSpace{total, total - std::min(total, used_bytes())};
}

uint64_t SimFileSystem::read_bytes() const {
  MutexLock lock(mutex_);
  return read_bytes_;
}

uint64_t SimFileSystem::calls() const {
  MutexLock lock(mutex_);
  return calls_;
}

void SimFileSystem::fail_call(uint64_t skip, Errc code) {
  MutexLock lock(mutex_);
  fail_at_ = calls_ + skip;
  fail_code_ = code;
}

void SimFileSystem::die_at_call(uint64_t skip) {
  MutexLock lock(mutex_);
  die_at_ = calls_ + skip;
}

void SimFileSystem::fail_read(uint64_t skip) {
  MutexLock lock(mutex_);
  reads_until_failure_ = skip;
}

void SimFileSystem::fail_flushes(bool fail) {
  MutexLock lock(mutex_);
  flushes_fail_ = fail;
}

void SimFileSystem::set_capacity(uint64_t bytes) {
  MutexLock lock(mutex_);
  capacity_ = bytes;
}

void SimFileSystem::slow_down(SimClock& clock, Duration per_write, Duration per_flush) {
  MutexLock lock(mutex_);
  clock_ = &clock;
  per_write_ = per_write;
  per_flush_ = per_flush;
}

void SimFileSystem::restart() {
  MutexLock lock(mutex_);
  ++incarnation_;
  locks_.clear();
  fail_at_ = die_at_ = reads_until_failure_ = kNever;
}

void SimFileSystem::lose_power() {
  restart();
  MutexLock lock(mutex_);
  names_.lose_power(random_);
}

void SimFileSystem::flip_bit(const std::string& path, uint64_t bit) {
  MutexLock lock(mutex_);
  const auto inode = find(normalize_path(path));
  if (inode) (*inode)->flip_bit(bit);
}

std::vector<std::string> SimFileSystem::files() const {
  MutexLock lock(mutex_);
  std::vector<std::string> paths;
  for (const auto& [path, inode] : names_.now()) {
    if (inode != nullptr) paths.push_back(path);
  }
  return paths;
}

size_t SimFileSystem::open_handles() const {
  MutexLock lock(mutex_);
  return open_handles_;
}

}  // namespace millrace::io::sim
