#include "broker/base/logger.h"
#include "broker/raft/node/entry_codec.h"
#include "broker/raft/node/store.h"
#include "broker/raft/node/store_files.h"

namespace millrace::raft {
namespace {
const Logger kLog("raft");
}

std::shared_ptr<const SnapshotFile> Store::snapshot() const {
  MutexLock lock(mutex_);
  return snapshot_;
}

Status Store::begin_snapshot() {
  TRY_ASSIGN(taking_, SnapshotFileWriter::create(*options_.fs, path(kTakingFile)));
  return taking_->begin();
}

Status Store::write_snapshot(BytesView piece) {
  ENSURE(taking_.has_value());
  return taking_->append(piece);
}

Result<bool> Store::finish_snapshot(const SnapshotMeta& meta) {
  ENSURE(taking_.has_value());
  SnapshotFileWriter writer = *std::exchange(taking_, std::nullopt);
  if (const auto newest = snapshot(); newest != nullptr && newest->meta().last.index >= meta.last.index) {
    TRY(options_.fs->remove(path(kTakingFile)));
    return false;
  }
  TRY(flush());
  TRY(writer.finish(meta));
  TRY(writer.flush());
  TRY(put_in_place(path(kTakingFile)));
  return true;
}

// The new one was just written or verified, and is durable; its name is before anything relies on it.
Status Store::put_in_place(const std::string& from) {
  TRY(options_.fs->rename(from, path(kSnapshotFile)));
  TRY(options_.fs->flush_directory(options_.directory));
  TRY_ASSIGN(SnapshotFile file, SnapshotFile::open(*options_.fs, path(kSnapshotFile), SnapshotFile::Check::ends));
  auto shared = std::make_shared<const SnapshotFile>(std::move(file));
  MutexLock lock(mutex_);
  snapshot_ = std::move(shared);
  return ok();
}

Result<uint64_t> Store::receive(uint64_t offset, BytesView bytes) {
  if (offset == 0) {
    TRY_ASSIGN(receiving_, SnapshotFileWriter::create(*options_.fs, path(kReceivingFile)));
  }
  ENSURE(receiving_.has_value() && receiving_->size() == offset);
  TRY(receiving_->append(bytes));
  return receiving_->size();
}

Result<bool> Store::install(const SnapshotMeta& meta, bool keep_log) {
  ENSURE(receiving_.has_value());
  SnapshotFileWriter writer = *std::exchange(receiving_, std::nullopt);
  TRY(flush());
  TRY(writer.flush());
  const auto file = SnapshotFile::open(*options_.fs, path(kReceivingFile));
  if (!file && file.error().code == Errc::io) return file.error();
  if (!file || file->meta() != meta) {
    kLog.error("a snapshot that was received is not whole",
               {{"entry", meta.last.index}, {"reason", file ? "it is another one" : file.error().context}});
    return false;
  }
  TRY(put_in_place(path(kReceivingFile)));
  if (keep_log) {
    TRY(compact(meta.last));
  } else {
    TRY(discard_log(meta.last.index));
  }
  return true;
}

// The log goes on behind `at`. A crash on the way leaves a log that ends before the snapshot, or parts from it, and the
// next open() goes on from there.
Status Store::discard_log(Index at) {
  TRY(before_cut(Offset{0}));
  TRY(log_->truncate_to(log_->log_start()));  // the terms of what goes may be higher than those that come
  TRY(log_->start_over(Offset{at.value()}));
  storage::FlushPlan plan = log_->begin_flush();
  Status flushed = storage::run_flush(*options_.fs, plan);
  log_->end_flush(plan, flushed);
  return flushed;
}

}  // namespace millrace::raft
