#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "broker/base/bytes.h"
#include "broker/base/strong_id.h"
#include "broker/base/uuid.h"

// The words of the quorum: values only, shared by the core, its messages and its driver.
namespace millrace::raft {

using NodeId = BrokerId;
using Index = StrongId<struct IndexTag, int64_t>;  // position in the log; the first entry has 1, 0 lies before it
using Term = StrongId<struct TermTag, int64_t>;    // 0 comes before every election
using RequestId = StrongId<struct RequestTag, uint64_t>;     // the driver's name for something it asked
using WriteSequence = StrongId<struct WriteTag, uint64_t>;   // counts what the core wants written, from 1
using HeartbeatRound = StrongId<struct RoundTag, uint64_t>;  // counts a leader's rounds of heartbeats, from 1

// A node together with the directory its state is kept in: one that comes back with an empty disk has forgotten its
// votes and is not the same member. A zero directory means "whichever", in requests to follow only.
struct Member {
  NodeId node = kNoBroker;
  Uuid directory;
  friend auto operator<=>(const Member&, const Member&) = default;
};

enum class EntryKind : uint8_t { payload = 0, no_op = 1, configuration = 2 };  // persisted: never renumber

// One entry of the log. The payload is shared, never copied. A configuration's payload is Configuration::encode().
struct Entry {
  Term term;
  EntryKind kind = EntryKind::payload;
  Bytes payload;
  friend bool operator==(const Entry&, const Entry&) = default;
};
inline constexpr size_t kEntryOverhead = 24;  // counted for each entry beside its payload, in every byte limit
inline size_t size_of(const Entry& entry) { return entry.payload.size() + kEntryOverhead; }

// A place in the log and the term of the entry there.
struct Position {
  Index index;
  Term term;
  friend bool operator==(const Position&, const Position&) = default;
};
// Whether a log that ends at `a` is at least as new as one that ends at `b`.
inline bool at_least_as_new(Position a, Position b) { return a.term != b.term ? a.term > b.term : a.index >= b.index; }

// What must survive a crash beside the log: written as a whole, durable before anything that depends on it is sent.
struct HardState {
  Term term;
  std::optional<Member> vote;  // given in `term`
  friend bool operator==(const HardState&, const HardState&) = default;
};

// Entries of one term that follow each other; a log keeps these instead of a term for each entry.
struct TermRange {
  Index first;
  Term term;
  friend bool operator==(const TermRange&, const TermRange&) = default;
};

}  // namespace millrace::raft
