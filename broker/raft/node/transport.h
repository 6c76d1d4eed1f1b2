#pragma once

#include <string>
#include <vector>

#include "broker/raft/core/message.h"

namespace millrace::raft {

// What the voters of a new cluster say to each other before there is a quorum: who they are, and whether they have any
// state. See introductions.h.
struct Introduction {
  std::string cluster;
  std::vector<NodeId> voters;  // of the new cluster, sorted
  Member from;
  Member to;           // a zero directory in a question
  bool asks = false;   // the answer to a question asks nothing
  bool empty = false;  // `from` has no log, no term and no snapshot
};

// Carries messages to other nodes: fire and forget, in order for each receiver as far as connections allow; what cannot
// be sent is lost. Neither waits nor calls back into the node. Called on the driver loop. The receiving side calls
// Node::deliver().
class Transport {
 public:
  virtual ~Transport() = default;
  virtual void send(Message message) = 0;
  virtual void send(Introduction introduction) = 0;
};

}  // namespace millrace::raft
