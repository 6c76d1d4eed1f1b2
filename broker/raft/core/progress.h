#pragma once

#include <deque>
#include <map>
#include <optional>

#include "broker/base/clock.h"
#include "broker/raft/core/configuration.h"
#include "broker/raft/core/types.h"

namespace millrace::raft {

// A snapshot on its way to a follower.
struct SnapshotTransfer {
  SnapshotMeta meta;
  uint64_t received = 0;  // written there
  uint64_t sent = 0;
  std::optional<uint64_t> end;  // once the last piece was sent
  bool read_under_way = false;
  TimePoint moved;  // when `received` last rose
};

// What a leader knows of one member that receives its log. Invariant: match < next.
struct Progress {
  // probe: one message at a time, until it is known where the logs part. stream: as many as the window holds.
  // snapshot: entries that it needs are compacted away.
  enum class Mode : uint8_t { probe, stream, snapshot };
  struct InFlight {
    Index last;
    size_t bytes;
  };

  Mode mode = Mode::probe;
  Index match;                  // durable there and identical; rises only by a success reply
  Index next;                   // first entry to send
  Index commit;                 // largest commit index that was sent
  bool observer = false;        // follows without being in the configuration
  bool probe_sent = false;      // no other probe until its reply or the next round of heartbeats
  bool read_under_way = false;  // entries are being read for it
  HeartbeatRound answered;      // newest round it has answered
  TimePoint heard;              // when it was last heard of
  std::deque<InFlight> in_flight;
  std::optional<SnapshotTransfer> transfer;  // in mode snapshot
  size_t in_flight_bytes = 0;

  void sent(Index last, size_t bytes) {
    in_flight.push_back({last, bytes});
    in_flight_bytes += bytes;
  }
  void acknowledge(Index upto) {
    if (upto > match) match = upto;
    while (!in_flight.empty() && in_flight.front().last <= match) {
      in_flight_bytes -= in_flight.front().bytes;
      in_flight.pop_front();
    }
  }
  void probe_from(Index first) {
    mode = Mode::probe;
    transfer.reset();
    next = first;
    probe_sent = false;
    in_flight.clear();
    in_flight_bytes = 0;
  }
};

using ProgressMap = std::map<Member, Progress>;

}  // namespace millrace::raft
