#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "broker/base/result.h"
#include "broker/base/strong_id.h"
#include "broker/machine/record.h"

namespace millrace::machine {

// What a deterministic machine needs of the log that makes its decisions durable. Implemented in app/: over the
// metadata log (flushed, later the Raft quorum) and over partitions of __consumer_offsets (acks=all).
class LogWriter {
 public:
  using Committed = std::function<void(Result<Offset> last)>;
  virtual ~LogWriter() = default;
  // Appends `records` as one batch that is applied whole or not at all. `committed` is called exactly once, in the
  // order of appends, on any thread, possibly before append returns, and never while the writer holds a lock. After an
  // error the machine's state is ahead of its log: every later append must fail too (its records may rest on the lost
  // ones), until the machine's owner has replayed the log and told the writer so.
  virtual void append(std::vector<Record> records, Committed committed) = 0;
  // Most bytes of keys and values, with kRecordOverheadMax more for each record, that one append takes. May change
  // while the machine runs; a decision beyond it is refused.
  virtual size_t batch_bytes_max() const { return SIZE_MAX; }
  static constexpr size_t kRecordOverheadMax = 32;  // lengths, attributes, time and offset of a record in a batch
};

}  // namespace millrace::machine
