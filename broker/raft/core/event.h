#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "broker/base/clock.h"
#include "broker/raft/core/message.h"

// What a core is told. Completions may come late: the core knows which of them still mean something.
namespace millrace::raft {

struct Received {
  Message message;
};
// Time has passed; due at Output::next_tick, may come at any time.
struct Tick {};
// Entries for the log, as one batch: answered once the last one is applied.
struct Propose {
  RequestId request;
  std::vector<Bytes> payloads;
};
// Every LogWrite up to this one is durable.
struct LogDurable {
  WriteSequence sequence;
};
// The HardStateWrite of this sequence, hence all before it, is durable.
struct HardStateDurable {
  WriteSequence sequence;
};
// The driver has applied every entry up to `index`, which Output::apply named.
struct Applied {
  Index index;
};
// The answer to a LogRead: entries from its `first` on; none if they are compacted away.
struct EntriesRead {
  Member reader;
  Term term;
  Index first;
  std::vector<Entry> entries;
};

// A read that must see everything acknowledged before it came: answered `done` when the machine may be read. Anything
// else means that no promise can be given now.
struct Read {
  RequestId request;
};
// Hand leadership to that voter or, without one, to the one that has most of the log. Answered `done` when this node
// has given it up after the other was told to stand, `timed_out` when it leads on.
struct TransferLeadership {
  RequestId request;
  std::optional<NodeId> target;
};
// One change of the configuration at a time. A voter is added as a learner and promoted when it has caught up; a dead
// one is removed before another takes its place. Answered like a proposal.
struct ChangeMembers {
  enum class Kind : uint8_t { add_learner, promote, remove };
  RequestId request;
  Kind kind = Kind::add_learner;
  Member member;
};

// The driver has written a snapshot of what is applied, as Core::describe() had named it, and it is durable.
struct SnapshotTaken {
  SnapshotMeta meta;
};
// The answer to a SnapshotRead.
struct SnapshotChunkRead {
  Member reader;
  Term term;
  Position snapshot;
  uint64_t offset = 0;
  Bytes data;
  bool last = false;
  bool gone = false;  // there is a newer snapshot, or none
};
// The piece that ends before `offset` is in the temporary file.
struct SnapshotChunkWritten {
  Position snapshot;
  uint64_t offset = 0;
};
// What SnapshotInstall asked for is done and durable, and the machine is as the snapshot has it.
struct SnapshotInstalled {
  Position snapshot;
};

struct Event {
  TimePoint now;  // monotonic
  std::variant<Tick, Received, Propose, LogDurable, HardStateDurable, Applied, EntriesRead, Read, TransferLeadership,
               ChangeMembers, SnapshotTaken, SnapshotChunkRead, SnapshotChunkWritten, SnapshotInstalled>
      what;
};

}  // namespace millrace::raft
