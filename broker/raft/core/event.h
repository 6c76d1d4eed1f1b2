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

struct Event {
  TimePoint now;  // monotonic
  std::variant<Tick, Received, Propose, LogDurable, HardStateDurable, Applied, EntriesRead> what;
};

}  // namespace millrace::raft
