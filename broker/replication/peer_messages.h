#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "broker/base/bytes.h"
#include "broker/base/strong_id.h"
#include "broker/base/uuid.h"

namespace millrace::replication {

// What two brokers say to each other on the stream by which one of them, the follower, gets the records of all
// partitions that the other leads. Values; record data are shared, never copied. The rules of the conversation:
//
//   follower                                  leader
//   Hello                                ->
//                                        <-   Hello
//   Subscribe (here I stand)             ->
//                                        <-   Data, Data, ... or Answer (truncate, start over) or Refusal
//   Ack (this far I am)                  ->
//                                        <-   Progress (the high watermark moved, nothing else did)
//   Unsubscribe                          ->
//
// Hello is the first message in each direction. A subscription has a number that the follower chooses, greater than
// all it chose before on this stream; everything later names the partition by it. It ends with an Answer, a Refusal or
// an Unsubscribe, or when the follower subscribes to the same partition again: what still arrives for it is ignored,
// so that neither side acts on what was said about an earlier state.

// The version of these messages. A peer with another one is refused; a later version may learn to speak several.
inline constexpr int32_t kPeerProtocolVersion = 1;

// Bounds. Senders keep them, receivers close the stream of a peer that does not. A single record batch may be larger
// than a message's bound and then travels alone.
inline constexpr size_t kMessageBatchBytesMax = 1024 * 1024;          // of record batches in one Data
inline constexpr size_t kMessageEntriesMax = 4096;                    // partitions in one message of any kind
inline constexpr size_t kSubscriptionsPerMessageMax = 1024;           // in one Subscribe
inline constexpr size_t kLinkWindowBytes = 8 * 1024 * 1024;           // sent on a stream and not acknowledged
inline constexpr size_t kPartitionWindowBytes = 2 * 1024 * 1024;      // of it, for one partition
inline constexpr size_t kCatchUpWindowBytes = 2 * 1024 * 1024;        // of it, for all partitions that catch up
inline constexpr size_t kUnsentBytesMax = 2 * kMessageBatchBytesMax;  // PeerLink::unsent_bytes() at which senders stop

using SubscriptionNumber = StrongId<struct SubscriptionNumberTag, uint32_t>;

// Who speaks. A receiver closes the stream unless version and cluster are its own, and a follower also unless `broker`
// is whom it called.
struct Hello {
  int32_t version = kPeerProtocolVersion;
  std::string cluster_id;
  BrokerId broker = kNoBroker;
  int64_t broker_epoch = -1;  // of its registration; -1 while it is not registered
  Uuid incarnation;           // of its process
  friend bool operator==(const Hello&, const Hello&) = default;
};

struct Subscribe {
  struct Entry {
    SubscriptionNumber number;
    Uuid topic_id;
    PartitionIndex partition;
    LeaderEpoch leader_epoch = kNoLeaderEpoch;  // in which the follower believes the receiver leads
    Offset log_start{0};
    Offset log_end{0};
    Offset flushed{0};                        // below it the follower's records survive a power loss
    LeaderEpoch last_epoch = kNoLeaderEpoch;  // of the record before log_end; none when there is no record
    friend bool operator==(const Entry&, const Entry&) = default;
  };
  std::vector<Entry> entries;
  friend bool operator==(const Subscribe&, const Subscribe&) = default;
};

struct Unsubscribe {
  struct Entry {
    SubscriptionNumber number;
    // The follower found records of its own damaged and asks to be taken out of the in-sync set, so that it may drop
    // them and fetch them again.
    bool leave_in_sync_set = false;
    friend bool operator==(const Entry&, const Entry&) = default;
  };
  std::vector<Entry> entries;
  friend bool operator==(const Unsubscribe&, const Unsubscribe&) = default;
};

// The follower's log is not a beginning of the leader's: what it has to do before it subscribes again.
struct Answer {
  enum class Action : uint8_t {
    truncate = 1,    // KIP-101/279: the leader's largest epoch that is not above last_epoch is `epoch` and ends at `at`
    start_over = 2,  // the leader no longer has, or never had, what would come next: go on at `at` with an empty log
  };
  struct Entry {
    SubscriptionNumber number;
    Action action = Action::truncate;
    LeaderEpoch epoch = kNoLeaderEpoch;
    Offset at;
    Offset leader_log_start{0};
    friend bool operator==(const Entry&, const Entry&) = default;
  };
  std::vector<Entry> entries;
  friend bool operator==(const Answer&, const Answer&) = default;
};

struct Data {
  struct Entry {
    SubscriptionNumber number;
    LeaderEpoch leader_epoch = kNoLeaderEpoch;
    Offset high_watermark{0};
    Offset log_start{0};
    // Whole record batches v2, as they are in the leader's log, one behind another within a piece and over all pieces;
    // the first one continues the follower's log. How they are cut into pieces means nothing: a receiver may join them.
    std::vector<Bytes> batches;
    friend bool operator==(const Entry&, const Entry&) = default;
  };
  std::vector<Entry> entries;
  friend bool operator==(const Data&, const Data&) = default;
};

struct Progress {
  struct Entry {
    SubscriptionNumber number;
    LeaderEpoch leader_epoch = kNoLeaderEpoch;
    Offset high_watermark{0};
    Offset log_start{0};
    friend bool operator==(const Entry&, const Entry&) = default;
  };
  std::vector<Entry> entries;
  friend bool operator==(const Progress&, const Progress&) = default;
};

struct Ack {
  struct Entry {
    SubscriptionNumber number;
    Offset log_start{0};
    Offset log_end{0};
    Offset flushed{0};
    friend bool operator==(const Entry&, const Entry&) = default;
  };
  std::vector<Entry> entries;
  friend bool operator==(const Ack&, const Ack&) = default;
};

struct Refusal {
  enum class Reason : uint8_t {
    unknown_partition = 1,  // not, or not yet, in the receiver's image
    not_leader = 2,
    fenced_epoch = 3,   // the follower's leader epoch is older than the receiver's
    unknown_epoch = 4,  // it is newer: the receiver has not heard of its own election
    not_a_replica = 5,
    storage_error = 6,  // the leader cannot read its log
    overloaded = 7,     // a limit was reached
  };
  struct Entry {
    SubscriptionNumber number;
    Reason reason = Reason::unknown_partition;
    friend bool operator==(const Entry&, const Entry&) = default;
  };
  std::vector<Entry> entries;
  friend bool operator==(const Refusal&, const Refusal&) = default;
};

// Liveness of a stream on which nothing else is said: whoever has not heard anything for a while asks, and takes the
// stream for dead when nothing at all comes.
struct Ping {
  friend bool operator==(const Ping&, const Ping&) = default;
};
struct Pong {
  friend bool operator==(const Pong&, const Pong&) = default;
};

using PeerMessage = std::variant<Hello, Subscribe, Unsubscribe, Answer, Data, Progress, Ack, Refusal, Ping, Pong>;

inline size_t batch_bytes(const Data::Entry& entry) {
  size_t bytes = 0;
  for (const Bytes& piece : entry.batches) bytes += piece.size();
  return bytes;
}

inline size_t batch_bytes(const PeerMessage& message) {
  size_t bytes = 0;
  if (const auto* data = std::get_if<Data>(&message)) {
    for (const Data::Entry& entry : data->entries) bytes += batch_bytes(entry);
  }
  return bytes;
}

}  // namespace millrace::replication
