#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/mutex.h"
#include "broker/base/result.h"
#include "broker/io/file_system.h"
#include "broker/machine/log_writer.h"
#include "broker/metadata/image_builder.h"
#include "broker/storage/log.h"

namespace millrace::app {

struct MetadataLogOptions {
  io::FileSystem* fs = nullptr;
  Clock* clock = nullptr;
  std::string directory;              // <data dir>/__cluster_metadata-0
  int64_t snapshot_records = 10'000;  // applied since the last snapshot before another is written
};

// The metadata log of a cluster of one voter, on disk. append() hands over to a thread of its own, which writes and
// flushes: everything that arrived during one flush shares the next one. A commit is reported after its flush, so what
// the controller answers survives a power loss. A snapshot of the image (file "snapshot" beside the segments; bytes:
// broker/README.md#metadata-log) bounds what a start reads and what the log keeps: a segment begins where it ends.
//
// Thread-safe but for open(), reopen() and close(), which are their owner's. After an error every append fails until
// reopen().
class MetadataLog final : public machine::LogWriter {
 public:
  // Recovers log and snapshot. Errors beside those of storage::Log: corrupt (a snapshot or record that does not fit).
  static Result<std::unique_ptr<MetadataLog>> open(MetadataLogOptions options);
  ~MetadataLog() override;  // close()

  // The state that the log holds, once after open().
  metadata::ImageBuilder take_recovered();

  void append(std::vector<machine::Record> records, Committed committed) override EXCLUDES(mutex_);

  // A committed image (subscribe it to the ImageStore): snapshotted when enough has happened since the last one.
  void offer_snapshot(metadata::ImagePointer image) EXCLUDES(mutex_);

  // What reopen() cannot help against: anything but a full disk. After a failed flush the kernel may have dropped what
  // it had not written, and what is read again would not show it.
  std::optional<Error> fatal() const EXCLUDES(mutex_);

  // After an error: reads the log again and takes appends again; the controller goes on with what this returns.
  Result<metadata::ImageBuilder> reopen() EXCLUDES(mutex_, io_mutex_);

  // Writes and flushes what was handed over, stops the thread and closes the log. Later appends fail.
  Status close() EXCLUDES(mutex_, io_mutex_);

 private:
  struct Pending {
    std::vector<machine::Record> records;
    Committed committed;
    uint64_t generation = 0;  // of the log when it was handed over: what is older than a reopen() must not be written
  };

  explicit MetadataLog(MetadataLogOptions options) : options_(std::move(options)) {}
  Result<metadata::ImageBuilder> recover() REQUIRES(io_mutex_);
  Status replay(metadata::ImageBuilder& builder) REQUIRES(io_mutex_);
  void run() EXCLUDES(mutex_, io_mutex_);
  void write(std::deque<Pending> batches) EXCLUDES(mutex_, io_mutex_);
  Result<Offset> append_one(const Pending& batch) REQUIRES(io_mutex_);
  Status flush() REQUIRES(io_mutex_);
  Status take_snapshot(const metadata::ClusterImage& image) EXCLUDES(mutex_, io_mutex_);
  Result<bool> begin_segment(Offset covered) EXCLUDES(mutex_, io_mutex_);
  Offset snapshot_due() const REQUIRES(mutex_);
  std::string snapshot_path() const;

  const MetadataLogOptions options_;
  std::optional<metadata::ImageBuilder> recovered_;

  Mutex io_mutex_;  // held during reads, writes and flushes, by the thread or by reopen(); before mutex_
  std::unique_ptr<storage::Log> log_ GUARDED_BY(io_mutex_);

  mutable Mutex mutex_;
  Condition changed_;
  std::deque<Pending> queue_ GUARDED_BY(mutex_);  // bounded by the controller's machine
  metadata::ImagePointer offered_ GUARDED_BY(mutex_);
  Offset snapshot_at_ GUARDED_BY(mutex_){-1};                 // last record in the newest snapshot
  std::optional<Offset> snapshot_wanted_ GUARDED_BY(mutex_);  // the last record before the segment begun for it
  std::optional<Error> failure_ GUARDED_BY(mutex_);
  bool is_fatal_ GUARDED_BY(mutex_) = false;
  uint64_t generation_ GUARDED_BY(mutex_) = 0;  // counts reopen()
  bool closing_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace millrace::app
