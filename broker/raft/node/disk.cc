#include "broker/raft/node/disk.h"

#include "broker/raft/node/node_parts.h"

namespace millrace::raft {

void Disk::push(Write write) {
  MutexLock lock(mutex_);
  writes_.push_back(std::move(write));
  schedule();
}

void Disk::push(Other other) {
  MutexLock lock(mutex_);
  others_.push_back(std::move(other));
  schedule();
}

void Disk::schedule() {
  if (std::exchange(scheduled_, true)) return;
  parts_.post(*parts_.options.disk_loop, [this] { run(); });
}

void Disk::run() {
  std::deque<Write> writes;
  std::optional<Other> other;
  {
    MutexLock lock(mutex_);
    scheduled_ = false;
    if (closed_) return;
    writes.swap(writes_);
    closed_ = !writes.empty() && std::holds_alternative<Close>(writes.back());
    if (!others_.empty() && !closed_) {
      other = std::move(others_.front());
      others_.pop_front();
    }
  }
  Status done = write_all(std::move(writes));
  if (done && other) done = std::visit([this](auto& what) { return work(what); }, *other);
  if (!done) return parts_.fail(done.error());
  MutexLock lock(mutex_);
  if (!writes_.empty() || !others_.empty()) schedule();
}

Status Disk::write_all(std::deque<Write> writes) {
  for (Write& one : writes) {
    if (!std::holds_alternative<LogWrite>(one)) TRY(append_pending());
    TRY(std::visit([this](auto& what) { return write(what); }, one));
  }
  TRY(append_pending());
  return flush();
}

// Entries that are written one after another become one write.
Status Disk::write(LogWrite& write) {
  if (pending_) {
    const Index end = pending_->keeps.next(static_cast<int64_t>(pending_->entries.size()));
    if (write.keeps == end) {
      std::move(write.entries.begin(), write.entries.end(), std::back_inserter(pending_->entries));
      pending_->sequence = write.sequence;
      return ok();
    }
    TRY(append_pending());
  }
  pending_ = std::move(write);
  return ok();
}

Status Disk::append_pending() {
  if (!pending_) return ok();
  const LogWrite write = *std::exchange(pending_, std::nullopt);
  if (durable_ == appended_) began_ = parts_.options.clock->now();
  TRY(parts_.store->append(write.keeps, write.entries));
  appended_ = write.sequence;
  return ok();
}

Status Disk::flush() {
  if (durable_ == appended_) return ok();
  TRY(parts_.store->flush());
  durable_ = appended_;
  parts_.metrics.append_duration.record(parts_.options.clock->now() - began_);
  tell(LogDurable{durable_});
  return ok();
}

void Disk::tell(decltype(Event::what) what) {
  parts_.to_driver([this, what = std::move(what)]() mutable { parts_.driver.step(std::move(what)); });
}

Status Disk::write(HardStateWrite& write) {
  TRY(parts_.store->save(write.state));
  tell(HardStateDurable{write.sequence});
  return ok();
}

Status Disk::write(LogCompaction& write) {
  TRY(flush());
  return parts_.store->compact(write.base);
}

Status Disk::write(SnapshotInstall& write) {
  TRY(flush());
  TRY_ASSIGN(const bool installed, parts_.store->install(write.meta, write.keep_log));
  if (!installed) {
    return Error{Errc::corrupt, parts_.options.store.directory + ": a snapshot that the leader sent, up to entry " +
                                    std::to_string(write.meta.last.index.value()) + ", is not whole"};
  }
  parts_.to_machine([this, snapshot = parts_.store->snapshot()] { parts_.applier.load(snapshot, true); });
  return ok();
}

Status Disk::write(Bootstrap& write) {
  TRY_ASSIGN(Restored restored, parts_.store->bootstrap(write.configuration));
  parts_.to_driver([this, restored = std::move(restored)] { parts_.driver.bootstrapped(restored); });
  return ok();
}

Status Disk::write(Close&) {
  TRY(parts_.store->close());
  parts_.to_driver([this] { parts_.driver.closed(); });
  return ok();
}

Status Disk::work(LogRead& read) {
  EntriesRead done{read.reader, read.term, read.first, {}};
  TRY_ASSIGN(done.entries, parts_.store->read(read.first, read.last, read.bytes_max));
  tell(std::move(done));
  return ok();
}

Status Disk::work(ApplyRead& read) {
  TRY_ASSIGN(std::vector<Entry> entries,
             parts_.store->read(read.first, read.last, parts_.options.core.apply_bytes_max));
  // A snapshot was installed meanwhile: the machine gets that instead.
  if (entries.empty()) return ok();
  const Index next = read.first.next(static_cast<int64_t>(entries.size()));
  parts_.to_machine([this, first = read.first, entries = std::move(entries), done = next > read.last] {
    parts_.applier.apply(first, entries, done);
  });
  if (next <= read.last) push(Other{ApplyRead{next, read.last}});
  return ok();
}

Status Disk::work(SnapshotRead& read) {
  SnapshotChunkRead done{read.reader, read.term, read.snapshot, read.offset, {}, false, false};
  const auto snapshot = parts_.store->snapshot();
  done.gone = snapshot == nullptr || snapshot->meta().last != read.snapshot;
  if (!done.gone) {
    TRY_ASSIGN(done.data, snapshot->read(read.offset, read.bytes_max));
    done.last = read.offset + done.data.size() >= snapshot->size();
  }
  tell(std::move(done));
  return ok();
}

Status Disk::work(SnapshotWrite& write) {
  TRY_ASSIGN(const uint64_t received, parts_.store->receive(write.offset, write.data.view()));
  tell(SnapshotChunkWritten{write.snapshot, received});
  return ok();
}

Status Disk::work(SnapshotBegin&) {
  TRY(parts_.store->begin_snapshot());
  parts_.to_machine([this] { parts_.applier.next_piece(); });
  return ok();
}

Status Disk::work(SnapshotPiece& piece) {
  TRY(parts_.store->write_snapshot(piece.bytes.view()));
  parts_.to_machine([this] { parts_.applier.next_piece(); });
  return ok();
}

Status Disk::work(SnapshotEnd& end) {
  TRY(flush());
  TRY_ASSIGN(const bool taken, parts_.store->finish_snapshot(end.meta));
  parts_.to_driver([this, meta = std::move(end.meta), taken] { parts_.driver.snapshot_ended(meta, taken); });
  return ok();
}

}  // namespace millrace::raft
