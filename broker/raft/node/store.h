#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/mutex.h"
#include "broker/base/result.h"
#include "broker/io/file_system.h"
#include "broker/raft/core/restored.h"
#include "broker/raft/node/quorum_state.h"
#include "broker/raft/node/snapshot_file.h"
#include "broker/storage/log.h"

namespace millrace::raft {

struct StoreOptions {
  io::FileSystem* fs = nullptr;
  Clock* clock = nullptr;
  std::string directory;  // <data dir>/__cluster_metadata-0; made when absent, its parent is there
  Member self;            // this node and the id of its data directory
  int32_t segment_bytes = 16 << 20;
};

// What one member of the quorum keeps on disk: log, hard state and snapshot, in one directory. README.md says how the
// files look and what a crash may leave. Owned by the driver and used by one thread at a time, but snapshot().
//
// Errors: io, disk_full. After any of them nothing may be done but to close the process and open the store again: what
// the kernel did with unwritten pages is unknown.
class Store {
 public:
  // Reads and verifies everything, cuts a tail that a crash tore, completes what a crash interrupted, and makes durable
  // what it found. Errors beside those above: corrupt (damage, a gap between snapshot and log, no quorum state beside a
  // log; context names file, place and what to do), unsupported_version, cluster_mismatch (of another node or data
  // directory).
  static Result<std::unique_ptr<Store>> open(StoreOptions options);
  ~Store();

  // What the disk held, for the core, once.
  Restored take_restored();
  // Nothing was ever kept here.
  bool is_empty() const { return !exists_; }
  // Makes the first member of a new quorum: the log begins with `configuration`. Only while it is empty; a crash leaves
  // it empty or done.
  Result<Restored> bootstrap(const Configuration& configuration);

  // Durable when it returns, and so is all that was appended before.
  Status save(const HardState& hard);
  // Cuts the log so that it ends at `keeps`, and appends: durable by the next flush(). A crash before that
  // leaves part of the cut, from the end, or all of it and entries from the front.
  Status append(Index keeps, const std::vector<Entry>& entries);
  Status flush();
  Index last() const;
  // Entries from `first` to at most `last`, up to the limit but at least one; none if `first` is compacted away.
  Result<std::vector<Entry>> read(Index first, Index last, size_t bytes_max);
  // The log may begin after `base`, whose entry itself is kept as far as it is here.
  Status compact(Position base);

  // This node's snapshot: null without one. Replaced, not changed. Thread-safe.
  std::shared_ptr<const SnapshotFile> snapshot() const EXCLUDES(mutex_);
  // A snapshot that this node makes: its image in pieces, then its end. False when a newer one has come meanwhile.
  Status begin_snapshot();
  Status write_snapshot(BytesView piece);
  Result<bool> finish_snapshot(const SnapshotMeta& meta);
  // One that a leader sends, as SnapshotFile::read() gave it there: bytes that begin at `offset`, 0 starts over.
  // Answers how many are there.
  Result<uint64_t> receive(uint64_t offset, BytesView bytes);
  // It is complete: verifies it, puts it in the place of this node's own and lets the log begin after it. Durable when
  // it returns. False, and nothing happened, when what was received is not the snapshot that `meta` describes.
  Result<bool> install(const SnapshotMeta& meta, bool keep_log);

  // A clean stop: the next open() knows how far the log went.
  Status close();

 private:
  explicit Store(StoreOptions options) : options_(std::move(options)) {}

  // store_open.cc
  Status recover();
  Status make_directory();
  Status remove_leftovers();
  Status load_state();
  Status load_snapshot();
  Status open_log();
  Status flush_found();
  Status replay();
  Status find_base(Restored& restored);
  Error unusable(Errc code, std::string_view what) const;

  // store_snapshot.cc
  Status put_in_place(const std::string& from);
  Status discard_log(Index at);

  Status save_state(Offset flushed);
  Status before_cut(Offset to);
  std::string path(std::string_view name) const { return io::join_path(options_.directory, name); }

  const StoreOptions options_;
  bool exists_ = false;
  QuorumState state_;  // as the file has it
  std::unique_ptr<storage::Log> log_;
  std::optional<Restored> restored_;
  std::optional<SnapshotFileWriter> taking_;
  std::optional<SnapshotFileWriter> receiving_;
  mutable Mutex mutex_;  // a leaf
  std::shared_ptr<const SnapshotFile> snapshot_ GUARDED_BY(mutex_);
};

}  // namespace millrace::raft
