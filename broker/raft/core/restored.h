#pragma once

#include <utility>
#include <vector>

#include "broker/raft/core/configuration.h"

namespace millrace::raft {

// What a node finds on its disk when it starts: nothing, a bootstrap entry, or what it once wrote. The driver loads the
// snapshot into its machine, sets hard state, snapshot and base, and shows every entry of the log in order.
struct Restored {
  HardState hard;
  SnapshotMeta snapshot;  // all zero without one
  Position base;          // entry before the first one of the log; not after snapshot.last
  std::vector<TermRange> terms;
  Index last;
  std::vector<std::pair<Index, Configuration>> configurations;  // of the log, after the snapshot

  // The snapshot is not in the log: it replaced one that was behind or different, and the crash came before the log was
  // discarded. The driver does that now, to begin after the snapshot; the core takes it as done.
  bool log_is_stale() const {
    if (last < snapshot.last.index) return true;
    if (base.index == snapshot.last.index) return base.term != snapshot.last.term;
    Term there = base.term;
    for (const TermRange& range : terms) {
      if (range.first <= snapshot.last.index) there = range.term;
    }
    return there != snapshot.last.term;
  }

  // Starts the list of entries, after hard, snapshot and base are set.
  void begin() { last = base.index; }
  // The next entry of the log. An error if a configuration in it cannot be read.
  Status replay(const Entry& entry) {
    last = last.next();
    if (terms.empty() || terms.back().term != entry.term) terms.push_back({last, entry.term});
    if (entry.kind == EntryKind::configuration && last > snapshot.last.index) {
      TRY_ASSIGN(Configuration configuration, Configuration::decode(entry.payload.view()));
      configurations.emplace_back(last, std::move(configuration));
    }
    return ok();
  }
};

// The first entry of every initial voter's log: identical bytes on each of them. A node that has any state must not be
// bootstrapped again.
inline Entry bootstrap_entry(const Configuration& configuration) {
  return {Term{1}, EntryKind::configuration, configuration.encode()};
}

}  // namespace millrace::raft
