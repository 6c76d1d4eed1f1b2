// What is written in the world of the tests: logs, hard states, snapshots.
#include <algorithm>

#include <gtest/gtest.h>

#include "broker/raft/core/world_test_support.h"

namespace millrace::raft::testing {

// `entries_max`: of a log write, how much is there when a crash comes in between; for other writes 0 means nothing and
// 1 the first step of several.
void World::write(Disk& disk, const DiskWork& what, size_t entries_max, const std::string& incoming) {
  if (const auto* log = std::get_if<LogWrite>(&what)) {
    ASSERT_TRUE(log->keeps >= disk.base.index && log->keeps <= disk.last());
    disk.entries.resize(static_cast<size_t>(log->keeps.value() - disk.base.index.value()));
    for (const Entry& entry : log->entries) {
      if (entries_max-- == 0) break;
      disk.entries.push_back(entry);
    }
  }
  if (entries_max == 0) return;
  if (const auto* hard = std::get_if<HardStateWrite>(&what)) disk.hard = hard->state;
  if (const auto* take = std::get_if<SnapshotTake>(&what);
      take != nullptr && disk.snapshot.last.index < take->meta.last.index) {
    disk.snapshot = take->meta;
    disk.image = take->image;
  }
  if (const auto* compaction = std::get_if<LogCompaction>(&what)) disk.compact(compaction->base, true);
  if (const auto* install = std::get_if<SnapshotInstall>(&what)) {
    disk.snapshot = install->meta;
    disk.image = incoming;
    if (entries_max > 1) disk.compact(install->meta.last, install->keep_log);
  }
}

void World::finish_job(int at) {
  Node& of = node(at);
  ASSERT_FALSE(of.jobs.empty());
  const DiskJob job = std::move(of.jobs.front());
  of.jobs.pop_front();
  write(of.disk, job.what, SIZE_MAX, of.incoming);
  if (const auto* hard = std::get_if<HardStateWrite>(&job.what)) feed(at, HardStateDurable{hard->sequence});
  if (const auto* log = std::get_if<LogWrite>(&job.what)) feed(at, LogDurable{log->sequence});
  if (const auto* take = std::get_if<SnapshotTake>(&job.what)) feed(at, SnapshotTaken{take->meta});
  if (const auto* piece = std::get_if<SnapshotWrite>(&job.what)) {
    ASSERT_GE(of.incoming.size(), piece->offset);
    of.incoming.resize(piece->offset);
    of.incoming += piece->data.text();
    feed(at, SnapshotChunkWritten{piece->snapshot, of.incoming.size()});
  }
  if (const auto* install = std::get_if<SnapshotInstall>(&job.what)) {
    load(of);
    ++installed;
    feed(at, SnapshotInstalled{install->meta.last});
  }
}

void World::take_snapshot_work(int at, Output& output) {
  Node& from = node(at);
  if (output.compaction) start_job(from, *output.compaction);
  if (output.snapshot_write) start_job(from, std::move(*output.snapshot_write));
  if (output.install) start_job(from, std::move(*output.install));
  for (const SnapshotRead& read : output.snapshot_reads) {
    SnapshotChunkRead done{read.reader, read.term, read.snapshot, read.offset, {}, false, false};
    done.gone = from.disk.snapshot.last != read.snapshot;
    if (!done.gone) {
      const std::string piece = from.disk.image.substr(std::min(read.offset, from.disk.image.size()), read.bytes_max);
      done.last = read.offset + piece.size() >= from.disk.image.size();
      done.data = Bytes::copy_of(piece);
    }
    feed(at, std::move(done));
  }
}

// The machine as the snapshot has it, which must be what was committed up to there.
void World::load(Node& of) {
  of.applied = of.disk.snapshot.last.index;
  of.payloads.clear();
  for (size_t at = 0; at < of.disk.image.size();) {
    const size_t end = of.disk.image.find('\n', at);
    of.payloads.push_back(of.disk.image.substr(at, end - at));
    at = end + 1;
  }
  std::vector<std::string> expected;
  for (const auto& [index, entry] : committed_) {
    if (index <= of.applied && entry.kind == EntryKind::payload) expected.emplace_back(entry.payload.text());
  }
  EXPECT_EQ(of.payloads, expected) << "seed " << seed_;
  EXPECT_TRUE(of.applied == Index{} || committed_.at(of.applied).term == of.disk.snapshot.last.term);
}

void World::take_snapshot(int at) {
  Node& of = node(at);
  if (!up(at) || core(at).installing() || of.applied <= core(at).snapshot().last.index) return;
  std::string image;
  for (const std::string& payload : of.payloads) image += payload + "\n";
  start_job(of, SnapshotTake{core(at).describe(of.applied), std::move(image)});
  tick(at);  // which finishes it, unless the disk is slow
}

}  // namespace millrace::raft::testing
