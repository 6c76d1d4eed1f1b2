#pragma once

#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/base/mutex.h"
#include "broker/io/file_system.h"
#include "broker/io/sim/sim_clock.h"
#include "broker/io/sim/sim_disk.h"

namespace millrace::io::sim {

// A file system in memory whose disk forgets, tears, flips, fills up and fails as told. Directories have to be made
// first, as on a real one ("/" and "." exist). Thread-safe. The same seed and calls give the same losses.
class SimFileSystem final : public FileSystem {
 public:
  static constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();

  explicit SimFileSystem(uint64_t seed = 1) : random_(seed) {}

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

  // Calls that change or flush something, so far. Reading calls do not count.
  uint64_t calls() const;
  uint64_t read_bytes() const;  // so far
  // The call after `skip` more ones fails once with `code`; a write that fails leaves a prefix of random length, a
  // flush that fails leaves its data never durable.
  void fail_call(uint64_t skip, Errc code = Errc::io);
  // The process dies in that call: it and all later ones fail until restart() or lose_power().
  void die_at_call(uint64_t skip);
  // Reads fail (after `skip` more ones, once).
  void fail_read(uint64_t skip);
  // Flushes of files and directories fail from now on until told otherwise.
  void fail_flushes(bool fail);
  // Bytes that all files together may hold; a write beyond writes what fits and answers disk_full.
  void set_capacity(uint64_t bytes);
  // Every write and flush moves `clock` by this much.
  void slow_down(SimClock& clock, Duration per_write, Duration per_flush);

  // The process is killed and started again: what was written stays, open handles and locks are dead.
  void restart();
  // The machine loses power: of what was not flushed, some is gone (SimInode, SimNames).
  void lose_power();
  void flip_bit(const std::string& path, uint64_t bit);

  std::vector<std::string> files() const;  // all paths, sorted
  size_t open_handles() const;             // files held open now

 private:
  friend class SimFile;
  friend class SimFileLock;

  // What the next counted call is to do; also keeps the count.
  Status begin_call(const std::string& what) REQUIRES(mutex_);
  uint64_t used_bytes() const REQUIRES(mutex_);
  Result<std::shared_ptr<SimInode>> find(const std::string& path) const REQUIRES(mutex_);
  Status write(SimInode& inode, uint64_t position, BytesView bytes, const std::string& path) REQUIRES(mutex_);

  mutable Mutex mutex_;  // a leaf
  SimRandom random_ GUARDED_BY(mutex_);
  SimNames names_ GUARDED_BY(mutex_);
  std::map<std::string, uint64_t> locks_ GUARDED_BY(mutex_);  // path -> the holder's number
  uint64_t incarnation_ GUARDED_BY(mutex_) = 0;               // handles of an earlier one are dead
  uint64_t last_lock_ GUARDED_BY(mutex_) = 0;
  uint64_t calls_ GUARDED_BY(mutex_) = 0;
  uint64_t read_bytes_ GUARDED_BY(mutex_) = 0;
  uint64_t fail_at_ GUARDED_BY(mutex_) = kNever;
  Errc fail_code_ GUARDED_BY(mutex_) = Errc::io;
  uint64_t die_at_ GUARDED_BY(mutex_) = kNever;
  uint64_t reads_until_failure_ GUARDED_BY(mutex_) = kNever;
  bool flushes_fail_ GUARDED_BY(mutex_) = false;
  uint64_t capacity_ GUARDED_BY(mutex_) = kNever;
  size_t open_handles_ GUARDED_BY(mutex_) = 0;
  SimClock* clock_ GUARDED_BY(mutex_) = nullptr;
  Duration per_write_ GUARDED_BY(mutex_){};
  Duration per_flush_ GUARDED_BY(mutex_){};
};

}  // namespace millrace::io::sim
