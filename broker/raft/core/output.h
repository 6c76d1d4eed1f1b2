#pragma once

#include <optional>
#include <vector>

#include "broker/base/clock.h"
#include "broker/raft/core/message.h"

// What a core wants done. The driver does it in any order, except that writes (hard states, log writes, compactions and
// installations) happen in the order in which they were issued.
namespace millrace::raft {

enum class Role : uint8_t { follower, pre_candidate, candidate, leader };

// What the core is; an output whenever any of it changes.
struct RoleState {
  Role role = Role::follower;
  Term term;
  std::optional<Member> leader;
  friend bool operator==(const RoleState&, const RoleState&) = default;
};

struct HardStateWrite {
  WriteSequence sequence;
  HardState state;
};

// Cut the log so that it ends at `keeps`, then append. Durable as a whole or in part, but in order.
struct LogWrite {
  WriteSequence sequence;
  Index keeps;
  std::vector<Entry> entries;
};

// Read entries from `first` on, none beyond `last`, up to the byte limit but at least one, and answer with EntriesRead.
// They are durable, and in the log unless a compaction was issued since.
struct LogRead {
  Member reader;
  Term term;  // to be repeated in the answer
  Index first;
  Index last;
  size_t bytes_max;
};

// Entries first…last are committed: apply them in order and tell so (Applied) once all are. If `entries` is empty they
// are not in memory: the driver reads them from its log. The next ones are handed out after that.
struct Apply {
  Index first;
  Index last;
  std::vector<Entry> entries;
};

enum class Outcome : uint8_t {
  done,        // a proposal: its last entry is applied
  unknown,     // leadership was lost on the way: it may have happened, may still happen, or may not
  not_leader,  // nothing happened, as with everything below
  overloaded,
  too_large,
  busy,  // another change or a transfer is under way, or the term has just begun: try again
  timed_out,
  already_member,  // that node is in the configuration, with this or another directory
  unknown_member,  // not in the configuration, or not in the part of it that the request needs
  not_caught_up,   // the learner has too much of the log to go
  last_voter,
};
struct Answer {
  RequestId request;
  Outcome outcome;
  Index index;  // done: of the last entry, or what a read has to see
};

// The log may begin after `base`: entries up to it are in a snapshot and are not needed any more. A write like others.
struct LogCompaction {
  Position base;
};

// Read a piece of this node's snapshot from `offset` on and answer with SnapshotChunkRead.
struct SnapshotRead {
  Member reader;
  Term term;  // to be repeated in the answer, as the next two
  Position snapshot;
  uint64_t offset;
  size_t bytes_max;
};

// Append to the temporary file of an incoming snapshot; offset 0 starts a new one, whatever there was. Needs not be
// durable. Answered with SnapshotChunkWritten.
struct SnapshotWrite {
  Position snapshot;
  uint64_t offset;
  Bytes data;
};

// The temporary file is complete: verify it, make it durable, put it in the place of this node's snapshot. Then let the
// log begin after it: keep the entries that follow, or discard all of them. Then load the machine from it, and answer
// with SnapshotInstalled. A write like others, but the machine is not touched before the file is durable.
struct SnapshotInstall {
  SnapshotMeta meta;
  bool keep_log;
};

struct Output {
  std::optional<RoleState> state;
  std::optional<HardStateWrite> hard_state;
  std::vector<LogWrite> writes;
  std::vector<Message> messages;
  std::vector<LogRead> reads;
  std::optional<Apply> apply;
  std::vector<Answer> answers;
  std::optional<LogCompaction> compaction;
  std::vector<SnapshotRead> snapshot_reads;
  std::optional<SnapshotWrite> snapshot_write;
  std::optional<SnapshotInstall> install;
  TimePoint next_tick;
};

}  // namespace millrace::raft
