#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "broker/raft/core/configuration.h"
#include "broker/raft/core/types.h"

// What members say to each other: values. Sending is fire and forget; a message may be lost, repeated or late. The
// transport keeps the order of messages between two members as far as it can, which spares probes.
namespace millrace::raft {

// "Would you vote for me" (pre: nothing is promised) and "vote for me" in `election`.
struct VoteRequest {
  Term election;
  Position last;  // newest durable entry of the candidate
  bool pre = false;
  bool transfer = false;  // the leader asked for this election: it may come although the leader was just heard of
};
struct VoteReply {
  Term election;
  bool pre = false;
  bool granted = false;
};

// Entries that follow `previous`; without entries a heartbeat or a probe.
struct AppendRequest {
  Position previous;
  std::vector<Entry> entries;
  Index commit;
  HeartbeatRound round;
};
struct AppendReply {
  bool success = false;
  HeartbeatRound round;  // of the request
  // Success: up to where the receiver's log was compared with the leader's and is the same, and how much of that is
  // durable.
  Index verified;
  Index durable;
  // Reject: the `previous` that did not match; what the receiver has there or, if its log is shorter, at its end; and
  // the first entry it has of that term.
  Index rejected;
  Position conflict;
  Index conflict_first;
};

// "Up to where must I have applied to answer a read that came now?", from a follower to its leader. Without an answer
// the read is given up.
struct ReadIndexRequest {
  RequestId request;
};
struct ReadIndexReply {
  RequestId request;
  Index index;
};

// "Stand for election at once": from a leader that hands over to a voter that has everything.
struct TimeoutNow {};

// "Send me your log", from whoever hears no leader. Independent of terms; may be sent to a node whose directory is not
// known. A leader starts to send, anybody else says who leads.
struct FollowRequest {};
struct FollowReply {
  std::optional<Member> leader;
};

// A piece of the leader's snapshot; below the transport's message limit. Without data and with `last`: are you done?
struct SnapshotChunk {
  SnapshotMeta meta;
  uint64_t offset = 0;
  Bytes data;
  uint32_t crc = 0;  // CRC-32C of data
  bool last = false;
};
struct SnapshotReply {
  Position snapshot;
  uint64_t received = 0;   // the offset that is expected next; 0: start over
  bool installed = false;  // everything up to `durable` is here, durably; not before
  Index durable;
};

using MessageBody = std::variant<VoteRequest, VoteReply, AppendRequest, AppendReply, ReadIndexRequest, ReadIndexReply,
                                 TimeoutNow, FollowRequest, FollowReply, SnapshotChunk, SnapshotReply>;

struct Message {
  Member from;
  Member to;
  Term term;  // the sender's
  MessageBody body;
};

}  // namespace millrace::raft
