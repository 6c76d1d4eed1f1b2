#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "broker/base/clock.h"
#include "broker/base/mutex.h"
#include "broker/machine/log_writer.h"
#include "broker/replication/partition.h"

namespace millrace::app {

// The log of a machine over a partition that this broker leads: each append is
// one record batch with acks=all, and committed when the partition acknowledges
// it. After an error every later append fails with it; whoever replays the
// partition makes a new writer. Thread-safe.
class PartitionLogWriter final : public machine::LogWriter {
 public:
  PartitionLogWriter(std::shared_ptr<replication::Partition> partition, const Clock& clock);
  ~PartitionLogWriter() override;

  void append(std::vector<machine::Record> records, Committed committed) override;
  size_t batch_bytes_max() const override;  // what max.message.bytes of the topic leaves
  // The partition has made progress: see replication::PartitionListener.
  void progress();
  // Fails what waits and everything later with `error`.
  void close(const Error& error);

 private:
  struct Waiting {
    std::optional<replication::Appended> appended;  // none: failed with the error of the writer
    Committed committed;
  };

  void settle();  // reports, in order, what has been decided
  std::optional<Result<Offset>> outcome(const Waiting& waiting) REQUIRES(mutex_);

  const std::shared_ptr<replication::Partition> partition_;
  const Clock& clock_;
  Mutex order_;  // before mutex_: appends enter the partition and the queue in
                 // the same order
  Mutex mutex_;  // before the partition's
  std::deque<Waiting> waiting_ GUARDED_BY(mutex_);
  std::optional<Error> failed_ GUARDED_BY(mutex_);
  bool is_settling_ GUARDED_BY(mutex_) = false;
  bool again_ GUARDED_BY(mutex_) = false;
};

}  // namespace millrace::app
