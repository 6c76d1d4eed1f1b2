#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "broker/base/clock.h"
#include "broker/raft/core/types.h"

namespace millrace::raft {

// How a core behaves. All members of a quorum need the same election timeout and heartbeat interval.
struct Options {
  Member self;
  std::vector<NodeId> contacts;  // whom to ask for the leader, beside the members known from the log
  uint64_t seed = 1;             // of the election jitter; differs from node to node

  Duration election_timeout_min = std::chrono::milliseconds(500);  // silence of the leader before an election
  Duration election_jitter_max = std::chrono::milliseconds(250);   // added to it, uniform
  Duration heartbeat_interval = std::chrono::milliseconds(50);

  // A leader answers reads without asking a quorum while the clocks of all members, off by no more than this over one
  // election timeout, say that no other can have been elected.
  bool lease_reads = false;
  Duration clock_drift_max = std::chrono::milliseconds(50);

  size_t message_bytes_max = 1 << 20;     // of the entries in one message; one entry may exceed it
  size_t message_entries_max = 4096;      // in one message
  size_t in_flight_messages_max = 64;     // sent to one follower and not durable there
  size_t in_flight_bytes_max = 8 << 20;   // likewise, and of what a follower takes before it is durable
  size_t cache_bytes_max = 16 << 20;      // of the newest entries in memory, beside what is not durable
  size_t entry_bytes_max = 1 << 20;       // of one proposed payload
  size_t proposal_bytes_max = 32 << 20;   // proposed and not answered; one more proposal is `overloaded`
  size_t proposals_max = 100'000;         // likewise, in number
  size_t reads_max = 10'000;              // waiting; one more is `overloaded`
  size_t observers_max = 1000;            // that follow this leader without being in the configuration
  size_t snapshot_chunk_bytes = 1 << 20;  // below gRPC's limit of 4 MiB for a message
  size_t snapshot_chunks_in_flight = 4;   // sent to one follower and not written there
  int64_t trailing_entries = 10'000;      // kept when the log is compacted, for followers that are a little behind
  size_t apply_bytes_max = 4 << 20;       // handed out to be applied at once; one entry may exceed it
  size_t apply_entries_max = 8192;        // likewise, in number
};

}  // namespace millrace::raft
