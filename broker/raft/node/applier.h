#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "broker/raft/core/output.h"
#include "broker/raft/node/state_machine.h"

namespace millrace::raft {

struct NodeParts;
class SnapshotFile;

// The part of a node that deals with the machine. Every method runs on the apply loop, where others post it: order is
// that of the posts.
class Applier {
 public:
  explicit Applier(NodeParts& parts) : parts_(parts) {}

  // Entries from `first` on; `done` tells the driver once they are applied: the end of what the core handed out.
  void apply(Index first, const std::vector<Entry>& entries, bool done);
  void load(std::shared_ptr<const SnapshotFile> snapshot, bool installed);
  void lead(const RoleState& state);
  // Makes a snapshot: one piece at a time goes to the disk, and the next one is taken when it has been written.
  void begin_snapshot(const SnapshotMeta& meta);
  void next_piece();
  void stop();

 private:
  NodeParts& parts_;
  std::unique_ptr<SnapshotSource> source_;  // of the snapshot that is made
  SnapshotMeta meta_;                       // what it covers
};

}  // namespace millrace::raft
