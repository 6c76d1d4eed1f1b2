#pragma once

#include <memory>

#include "broker/base/result.h"
#include "broker/raft/core/configuration.h"
#include "broker/raft/core/output.h"

namespace millrace::raft {

// A state as it was when StateMachine::snapshot() gave this, in pieces, while the machine goes on. Used and destroyed
// on the apply loop.
class SnapshotSource {
 public:
  virtual ~SnapshotSource() = default;
  // The next piece, of at most `bytes_max` bytes; empty behind the last one.
  virtual Bytes next(size_t bytes_max) = 0;
};

// An image that a SnapshotSource once gave, here or on another node, cut elsewhere.
class SnapshotReader {
 public:
  virtual ~SnapshotReader() = default;
  // The next piece, of `bytes_max` bytes or what is left; empty behind the last one. An error is to be passed on.
  virtual Result<Bytes> next(size_t bytes_max) = 0;
  virtual uint64_t size() const = 0;
};

// What the log's entries mean. Implemented by the user of a node, used on the apply loop only, where it may take its
// time but not wait.
class StateMachine {
 public:
  virtual ~StateMachine() = default;

  // Every committed entry once, in order of the index, those without a payload as well. Cannot fail: an entry that it
  // cannot apply has to end the process.
  virtual void apply(Index index, const Entry& entry) = 0;
  // The state after the entry that was applied last.
  virtual std::unique_ptr<SnapshotSource> snapshot() = 0;
  // Replaces the whole state by that of an image; the next entry applied is the one after meta.last. An error ends the
  // process.
  virtual Status load(const SnapshotMeta& meta, SnapshotReader& image) = 0;
  // This node's role, term or leader changed. When it says that this node leads, everything that was committed before
  // its term has been applied: what is decided now and proposed with this term stands on the newest state. It may have
  // ceased to lead when this comes; proposals with the term are refused then.
  virtual void on_leadership(const RoleState& state) = 0;
};

}  // namespace millrace::raft
