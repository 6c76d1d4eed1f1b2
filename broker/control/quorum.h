#pragma once

#include <functional>
#include <vector>

#include "broker/base/bytes.h"
#include "broker/base/result.h"
#include "broker/metadata/decisions.h"
#include "broker/raft/node/node.h"

namespace millrace::control {

// Of one payload: the largest command, 10,000 partitions of many replicas, is one.
inline constexpr size_t kPayloadBytesMax = size_t{8} << 20;

// What this folder needs of the metadata quorum. Implemented in app/ over raft/node. Thread-safe.
class Quorum {
 public:
  virtual ~Quorum() = default;
  // Appends one payload on behalf of `tenure`. `done` is called once, in the order of proposals, on any thread and
  // never from within propose(): without an error once it is committed and applied here. not_controller, conflict (an
  // earlier one of this tenure was refused), overloaded, message_too_large: nothing was appended; outcome_unknown:
  // leadership was lost on the way, so it may have been or may still be.
  virtual void propose(raft::Tenure tenure, Bytes payload, std::function<void(Status)> done) = 0;
  // As this node sees the quorum now; cheap, must not block.
  virtual metadata::QuorumView view() const = 0;
  virtual BrokerId leader() const = 0;  // kNoBroker: nobody that this node knows of
};

}  // namespace millrace::control
