#pragma once

#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "broker/raft/core/types.h"

namespace millrace::raft {

// What the core knows of its log: where it begins and ends, the term of every entry (as ranges), and the newest entries
// themselves. Older entries are on the driver's disk only. Owned by the core. What is not durable stays in memory.
class LogView {
 public:
  // `base` is the entry before the first one, compacted away or (0, 0). `terms` cover what follows up to `last`.
  LogView(Position base, std::vector<TermRange> terms, Index last);

  Position base() const { return base_; }
  Index last() const { return last_; }
  Position last_position() const { return {last_, *term_at(last_)}; }

  // The term of an entry or of the base; none outside of the log.
  std::optional<Term> term_at(Index index) const;
  bool holds(Position position) const { return term_at(position.index) == position.term; }
  // The first entry in the log of the term that the entry at `index` has; the base's index for the base.
  Index first_of_term_at(Index index) const;
  // The largest place, from the base to `index`, whose term is not above `term`; none if even the base's is.
  std::optional<Position> newest_not_above(Index index, Term term) const;

  void append(const Entry& entry);
  void truncate_from(Index index);  // forgets the entries at and after `index`, which lies after the base
  void compact_to(Index index);     // `index` becomes the base
  void reset(Position base);        // an empty log after `base`

  // First entry that is in memory; last() + 1 if none is.
  Index cached_from() const { return last_.next(1 - static_cast<int64_t>(cache_.size())); }
  // Entries from `first` (in memory) on: as many as both limits allow, but at least one, none beyond `last`.
  std::vector<Entry> slice(Index first, Index last, size_t bytes_max, size_t entries_max) const;
  // Forgets the oldest entries in memory that are not after `durable` while more than `bytes_max` are held.
  void evict(Index durable, size_t bytes_max);
  size_t cached_bytes() const { return cached_bytes_; }

 private:
  size_t range_of(Index index) const;  // place in terms_ of the range with the entry at `index`, which is in the log

  Position base_;
  Index last_;
  std::vector<TermRange> terms_;  // rising, each with at least one entry
  std::deque<Entry> cache_;       // the entries up to last_
  size_t cached_bytes_ = 0;
};

}  // namespace millrace::raft
