#pragma once

#include <functional>
#include <variant>
#include <vector>

#include "broker/base/clock.h"
#include "broker/machine/record.h"

namespace millrace::machine {

// The time a decision is made at; a machine never asks for it.
struct Now {
  TimePoint monotonic;
  Timestamp wall_ms = kNoTimestamp;
};

// What a command comes to: the records that make it so and the answer, which is given once they are committed. `also`
// changes what the machine keeps in memory only (when a member was last heard of); it runs right after the records were
// applied, is not logged, and is lost with a restart. State is the machine's type, needed for `also` alone.
template <class Reply, class State = std::monostate>
struct Decision {
  std::vector<Record> records;
  Reply reply;
  std::function<void(State&)> also;
};

}  // namespace millrace::machine
