#pragma once

#include <deque>
#include <optional>
#include <variant>
#include <vector>

#include "broker/base/mutex.h"
#include "broker/raft/core/event.h"
#include "broker/raft/core/output.h"

namespace millrace::raft {

struct NodeParts;

// The part of a node that deals with its disk, on the disk loop. Writes are done in the order in which they were given,
// and all that came while one flush was under way share the next. Between two flushes at most one of the other jobs is
// done: none of them takes long, so that appends wait for no snapshot.
class Disk {
 public:
  struct Bootstrap {
    Configuration configuration;
  };
  struct Close {};
  using Write = std::variant<HardStateWrite, LogWrite, LogCompaction, SnapshotInstall, Bootstrap, Close>;

  struct ApplyRead {  // entries that the core handed out to be applied and does not have in memory
    Index first;
    Index last;
  };
  struct SnapshotBegin {};
  struct SnapshotPiece {
    Bytes bytes;
  };
  struct SnapshotEnd {
    SnapshotMeta meta;
  };
  using Other =
      std::variant<LogRead, ApplyRead, SnapshotRead, SnapshotWrite, SnapshotBegin, SnapshotPiece, SnapshotEnd>;

  explicit Disk(NodeParts& parts) : parts_(parts) {}

  // Any thread; the driver bounds how much is under way.
  void push(Write write) EXCLUDES(mutex_);
  void push(Other other) EXCLUDES(mutex_);

 private:
  void schedule() REQUIRES(mutex_);
  void run() EXCLUDES(mutex_);
  Status write_all(std::deque<Write> writes);
  Status append_pending();
  Status flush();
  void tell(decltype(Event::what) what);

  Status write(HardStateWrite& write);
  Status write(LogWrite& write);
  Status write(LogCompaction& write);
  Status write(SnapshotInstall& write);
  Status write(Bootstrap& write);
  Status write(Close& write);
  Status work(LogRead& read);
  Status work(ApplyRead& read);
  Status work(SnapshotRead& read);
  Status work(SnapshotWrite& write);
  Status work(SnapshotBegin& begin);
  Status work(SnapshotPiece& piece);
  Status work(SnapshotEnd& end);

  NodeParts& parts_;

  // Disk loop only.
  std::optional<LogWrite> pending_;  // writes that follow each other, as one
  WriteSequence appended_;           // newest that is in the log
  WriteSequence durable_;            // newest that is durable
  TimePoint began_;                  // the oldest write that is not durable

  Mutex mutex_;  // a leaf
  std::deque<Write> writes_ GUARDED_BY(mutex_);
  std::deque<Other> others_ GUARDED_BY(mutex_);
  bool scheduled_ GUARDED_BY(mutex_) = false;
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace millrace::raft
