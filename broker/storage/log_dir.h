#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/base/uuid.h"
#include "broker/io/file_system.h"
#include "broker/io/random.h"
#include "broker/storage/offset_checkpoint.h"

namespace millrace::storage {

struct LogDirOptions {
  std::string path;        // made when absent
  std::string cluster_id;  // empty: that of the directory, or a new random one
  BrokerId node;
  std::string boot_id;  // of the kernel that runs; empty: not known, and no crash is told from a loss of power
};

// meta.properties: to whom a data directory belongs.
struct MetaProperties {
  std::string cluster_id;
  BrokerId node;
  Uuid directory_id;
};

struct PartitionDirectory {
  std::string name;  // <topic>-<partition>
  std::string topic;
  PartitionIndex partition;
};

// One data directory of a broker, locked for this process while the object lives. Files and formats are Kafka's:
// meta.properties, .lock, .kafka_cleanshutdown, recovery-point-offset-checkpoint, log-start-offset-checkpoint,
// cleaner-offset-checkpoint, replication-offset-checkpoint; .millrace_running is our own. Thread: the owner's, but for
// distrust().
//
// Errors of open, each naming the directory and what to do: in_use (another process has it), permission_denied,
// cluster_mismatch (it belongs to another node or cluster), malformed (meta.properties cannot be understood).
class LogDir {
 public:
  static Result<std::unique_ptr<LogDir>> open(io::FileSystem& fs, io::Random& random, LogDirOptions options);
  // To whom `path` belongs, without locking it; nothing when it has no meta.properties.
  static Result<std::optional<MetaProperties>> read_meta(io::FileSystem& fs, const std::string& path);

  const std::string& path() const { return path_; }
  const MetaProperties& meta() const { return meta_; }
  // The last user stopped cleanly. Its marker is gone since open(), so that a crash from now on is seen by the next.
  bool was_clean() const { return was_clean_; }
  // It stopped cleanly, or it ended while this machine stayed up: the kernel has kept what it wrote and did not flush.
  // Not seen: a volume that was taken from the running machine by force and is back.
  bool has_everything() const { return was_clean_ || was_kept_; }
  // The broker epoch up to which that is so (KIP-966); -1: unknown.
  int64_t last_epoch() const { return last_epoch_; }

  Result<std::vector<PartitionDirectory>> list_partitions() const;  // sorted by name
  // Partition directories renamed to *-delete whose removal was interrupted.
  Result<std::vector<std::string>> list_deleted() const;  // paths

  // Empty when the file is absent; a file that cannot be understood is reported and counts as absent (everything is
  // scanned then). Writes survive a power loss.
  Result<OffsetCheckpoint> read_recovery_points() const;
  Status write_recovery_points(const OffsetCheckpoint& offsets) const;
  Result<OffsetCheckpoint> read_log_starts() const;
  Status write_log_starts(const OffsetCheckpoint& offsets) const;
  Result<OffsetCheckpoint> read_cleaner_offsets() const;  // up to where logs are compacted
  Status write_cleaner_offsets(const OffsetCheckpoint& offsets) const;
  Result<OffsetCheckpoint> read_high_watermarks() const;  // of replicated partitions
  Status write_high_watermarks(const OffsetCheckpoint& offsets) const;

  // Before logs are opened: from now on this process writes here under `epoch`. Nothing if the kernel is not known.
  Status mark_running(int64_t epoch) const;
  // A write or flush failed, so that what is on the disk is not what the kernel says. Thread-safe.
  void distrust() const;
  // The last act of a clean stop, after every log was flushed and closed and the checkpoints are written. `epoch` is
  // that of this broker's registration, or -1.
  Status mark_clean(int64_t epoch) const;

 private:
  LogDir(io::FileSystem& fs, const LogDirOptions& options) : fs_(fs), path_(options.path), boot_id_(options.boot_id) {}
  Status load_or_create_meta(io::Random& random, const LogDirOptions& options);
  Result<OffsetCheckpoint> read_checkpoint(std::string_view name) const;
  Status take_markers();

  io::FileSystem& fs_;
  const std::string path_;
  std::unique_ptr<io::FileLock> lock_;
  MetaProperties meta_;
  const std::string boot_id_;
  bool was_clean_ = false;
  bool was_kept_ = false;
  int64_t last_epoch_ = -1;
};

// "<topic>-<partition>" in both directions; nothing when `name` is not of that form.
std::string partition_directory_name(std::string_view topic, PartitionIndex partition);
std::optional<PartitionDirectory> parse_partition_directory(std::string_view name);

}  // namespace millrace::storage
