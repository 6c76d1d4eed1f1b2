#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/errc.h"
#include "broker/base/strong_id.h"
#include "broker/base/uuid.h"
#include "broker/protocol/batch_header.h"

namespace millrace::replication {

// A batch for a partition that is not on this broker, or not yet: clients may learn of a topic before its logs are
// open.
struct AbsentBatch {
  std::string topic;
  Uuid topic_id;  // zero where the client names the topic
  PartitionIndex partition;
  protocol::BatchHeader header;
  Errc reason = Errc::unknown_topic_or_partition;
};

// Of each idempotent producer the batch that was refused for a reason that passes: a full disk, too few replicas in
// sync, another leader. What it has sent behind that batch is to be refused for the same reason, so that all of it
// comes again in its order. Were it told of missing sequences instead, it would begin a new epoch (librdkafka and the
// Java client, KIP-360), and send once more, as new, what is appended in other partitions and not acknowledged yet; and
// a log that knows nothing of the producer would take it, before what belongs in front of it. Not thread-safe: guarded
// by its Partition.
class RefusedBatches {
 public:
  static constexpr size_t kProducersMax = 256;                 // beyond it the one refused longest ago is forgotten
  static constexpr Duration kKept = std::chrono::seconds(30);  // a batch that has not come again by then was given up

  bool empty() const { return refused_.empty(); }

  // `next` is the sequence that the log expects of the producer in the batch's epoch, if it knows the producer
  // (Log::next_sequence); `now` does not go back.
  void add(const protocol::BatchHeader& refused, Errc reason, std::optional<Sequence> next, TimePoint now);
  // Why what belongs in front of `batch` is missing; nothing if no refusal explains it.
  std::optional<Errc> reason_before(const protocol::BatchHeader& batch, std::optional<Sequence> next, TimePoint now);

 private:
  struct Refused {
    ProducerId producer;
    ProducerEpoch epoch;
    Sequence first;
    Errc reason;
    TimePoint at;
  };
  std::vector<Refused>::iterator find(const protocol::BatchHeader& batch, std::optional<Sequence> next, TimePoint now);

  std::vector<Refused> refused_;  // in the order of their times
};

}  // namespace millrace::replication
