#include <algorithm>

#include "broker/base/logger.h"
#include "broker/raft/node/entry_codec.h"
#include "broker/raft/node/log_check.h"
#include "broker/raft/node/store.h"
#include "broker/raft/node/store_files.h"
#include "broker/storage/segment_file.h"

namespace millrace::raft {
namespace {

const Logger kLog("raft");
constexpr size_t kReplayBytes = 1 << 20;  // of one read

}  // namespace

Error Store::unusable(Errc code, std::string_view what) const {
  return {code, options_.directory + ": " + std::string(what) + ". " + kRepairAdvice};
}

Result<std::unique_ptr<Store>> Store::open(StoreOptions options) {
  std::unique_ptr<Store> store(new Store(std::move(options)));
  TRY(store->recover());
  return store;
}

Status Store::recover() {
  TRY(make_directory());
  TRY(remove_leftovers());
  TRY(load_state());
  TRY(load_snapshot());
  TRY(check_log(*options_.fs, options_.directory, state_.flushed));
  TRY(open_log());
  TRY(replay());
  return flush_found();
}

Status Store::make_directory() {
  TRY_ASSIGN(const bool present, options_.fs->exists(options_.directory));
  if (!present) TRY(options_.fs->create_directories(options_.directory));
  // Durable before anything in it counts, also when a crash came between the two.
  return options_.fs->flush_directory(io::parent_path(options_.directory));
}

Status Store::remove_leftovers() {
  for (const std::string_view name : {kTakingFile, kReceivingFile}) {
    TRY_ASSIGN(const bool present, options_.fs->exists(path(name)));
    if (present) TRY(options_.fs->remove(path(name)));
  }
  return ok();
}

Status Store::load_state() {
  auto loaded = load_quorum_state(*options_.fs, path(kStateFile));
  state_.self = options_.self;
  if (!loaded && loaded.error().code == Errc::not_found) return ok();
  if (!loaded && loaded.error().code == Errc::io) return loaded.error();
  // A vote that is forgotten may be given twice.
  if (!loaded) return unusable(loaded.error().code, std::string(kStateFile) + ": " + loaded.error().context);
  if (loaded->self != options_.self) {
    return Error{Errc::cluster_mismatch, path(kStateFile) + " is of node " + std::to_string(loaded->self.node.value()) +
                                             ", data directory " + loaded->self.directory.to_string() +
                                             ", not of node " + std::to_string(options_.self.node.value()) +
                                             ", data directory " + options_.self.directory.to_string()};
  }
  state_ = *loaded;
  exists_ = true;
  return ok();
}

Status Store::load_snapshot() {
  auto opened = SnapshotFile::open(*options_.fs, path(kSnapshotFile));
  if (!opened && opened.error().code == Errc::not_found) return ok();
  if (!opened && opened.error().code == Errc::io) return opened.error();
  if (!opened) return unusable(opened.error().code, opened.error().context);
  if (!exists_) return unusable(Errc::corrupt, "a snapshot without " + std::string(kStateFile));
  MutexLock lock(mutex_);
  snapshot_ = std::make_shared<const SnapshotFile>(*std::move(opened));
  return ok();
}

Status Store::open_log() {
  // Everything was verified; whether all of it was flushed is not known, so none of it counts as flushed yet.
  TRY_ASSIGN(log_, storage::Log::open(*options_.fs, {.directory = options_.directory,
                                                     .topic = "__cluster_metadata",
                                                     .partition = PartitionIndex{0},
                                                     .topic_id = {},
                                                     .config = metadata_log_config(options_.segment_bytes),
                                                     .clock = options_.clock}));
  if (exists_) return ok();
  if (last() > Index{1}) return unusable(Errc::corrupt, "a log without " + std::string(kStateFile));
  // A bootstrap that a crash interrupted: nobody has heard of it.
  if (last() == Index{1}) TRY(log_->start_over(Offset{0}));
  return ok();
}

// Where the log begins: the first entry that is here stands for what came before it, unless the snapshot ends right
// there or nothing came before.
Status Store::find_base(Restored& restored) {
  const Index start{log_->log_start().value()};  // entry before the first one that is here
  if (start == restored.snapshot.last.index) {
    restored.base = restored.snapshot.last;
    return ok();
  }
  if (start > restored.snapshot.last.index) {
    return unusable(Errc::corrupt, "the log begins after entry " + std::to_string(start.value()) +
                                       " and the snapshot ends at entry " +
                                       std::to_string(restored.snapshot.last.index.value()));
  }
  if (start == Index{0} || start == last()) {
    restored.base = {start, Term{0}};  // an empty log before the snapshot's end starts over
    return ok();
  }
  TRY_ASSIGN(const std::vector<Entry> first, read(start.next(), start.next(), 1));
  restored.base = {start.next(), first.at(0).term};
  return ok();
}

Status Store::replay() {
  Restored restored;
  restored.hard = state_.hard;
  if (const auto snapshot = this->snapshot()) restored.snapshot = snapshot->meta();
  TRY(find_base(restored));
  restored.begin();
  Term at_snapshot = restored.base.index == restored.snapshot.last.index ? restored.base.term : Term{-1};
  while (restored.last < last()) {
    const Index next = restored.last.next();
    TRY_ASSIGN(const std::vector<Entry> entries, read(next, last(), kReplayBytes));
    if (entries.empty()) return unusable(Errc::corrupt, "no entry " + std::to_string(next.value()));
    for (const Entry& entry : entries) {
      if (const Status replayed = restored.replay(entry); !replayed) {
        return unusable(replayed.error().code, "configuration in entry " + std::to_string(restored.last.value()));
      }
      if (restored.last == restored.snapshot.last.index) at_snapshot = entry.term;
    }
  }
  // A snapshot was installed and the log, which was behind or another one, was not discarded yet.
  if (at_snapshot != restored.snapshot.last.term) {
    kLog.info("a log that the snapshot replaces is discarded",
              {{"snapshot", restored.snapshot.last.index}, {"end", restored.last}});
    TRY(discard_log(restored.snapshot.last.index));
    restored.terms.clear();
    restored.configurations.clear();
    restored.base = restored.snapshot.last;
    restored.begin();
  }
  restored_ = std::move(restored);
  return ok();
}

// Nothing of what was found may go, nor anything come back, in a power loss from now on: a process that died may have
// left cuts that were not flushed, also of segments that are empty since.
Status Store::flush_found() {
  TRY(flush());
  TRY_ASSIGN(const std::vector<io::DirectoryEntry> entries, options_.fs->list(options_.directory));
  for (const io::DirectoryEntry& entry : entries) {
    if (!storage::parse_segment_name(entry.name, storage::kLogSuffix)) continue;
    TRY_ASSIGN(const std::unique_ptr<io::File> file, options_.fs->open(path(entry.name), io::OpenMode::read_write));
    TRY(file->flush());
  }
  return options_.fs->flush_directory(options_.directory);
}

}  // namespace millrace::raft
