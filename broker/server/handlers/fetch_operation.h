#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "broker/protocol/error_code.h"
#include "broker/replication/partition.h"
#include "broker/server/handlers/fetch_session.h"
#include "broker/server/purgatory.h"

namespace millrace::server {

struct Services;

struct FetchLimits {
  int64_t bytes_min = 1;
  int64_t bytes_max = 0;
  replication::Isolation isolation = replication::Isolation::read_uncommitted;
  replication::ReadFrom whom = replication::ReadFrom::leader;
  std::string rack;  // whom this broker, as leader, may send to a follower there; "": nobody
};

// What one partition of a fetch got.
struct FetchItem {
  FetchTarget target;
  std::shared_ptr<replication::Partition> partition;  // null until found
  protocol::ErrorCode error = protocol::ErrorCode::none;
  replication::FetchResult result;
  storage::EpochEndOffset diverging;  // epoch >= 0: the client's history ends here (KIP-595)

  BrokerId preferred = kNoBroker;  // who is to be asked instead (KIP-392); nothing was read

  bool is_diverging() const { return diverging.epoch != kNoLeaderEpoch; }
  bool is_redirected() const { return preferred != kNoBroker; }
  size_t bytes() const { return error == protocol::ErrorCode::none ? result.read.size_bytes() : 0; }

  // Towards bytes_min: where records follow that did not fit, waiting cannot add any.
  size_t counted_bytes() const {
    return error == protocol::ErrorCode::none && result.read.more ? std::max(bytes(), limit) : bytes();
  }

  // Under which limits it was read; for knowing whether reading again could give anything else.
  bool was_read = false;
  size_t limit = 0;
  bool at_least_one = false;
};

// The partitions of a fetch, read once now and, where they have changed, once more when it is worth answering.
// serve() on the connection's reactor; is_ready() on any thread, not at the same time.
class FetchOperation {
 public:
  // `listener`: by which the client came, and goes elsewhere.
  FetchOperation(const Services& services, FetchLimits limits, std::string listener, std::vector<FetchTarget> targets);

  // Small reads are copied, because that is cheaper than a file range, but only so many bytes of one reply: a client
  // may have many replies waiting for it.
  static constexpr size_t kCopiedBytesMax = 128 << 10;

  // Reads every partition in order within the limits; the first that has records gets at least one batch (KIP-74).
  void serve();
  // After serve(): nothing to wait for.
  bool is_complete() const;
  // While parked: whether serve() would now give bytes_min, or a partition's state changed. Reads counters only.
  bool is_ready() const;
  std::vector<WatchKey> keys() const;

  const std::vector<FetchItem>& items() const { return items_; }
  std::vector<FetchItem>& items() { return items_; }

 private:
  void read(FetchItem& item, size_t limit, bool at_least_one);
  protocol::ErrorCode check_history(FetchItem& item) const;
  protocol::ErrorCode redirect(FetchItem& item) const;
  bool is_unchanged(const FetchItem& item, size_t limit, bool at_least_one) const;

  const Services& services_;
  const FetchLimits limits_;
  const std::string listener_;
  std::vector<FetchItem> items_;
  size_t copied_bytes_ = 0;  // by all reads so far
};

}  // namespace millrace::server
